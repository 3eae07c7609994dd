"""A Dagster storage with a past: runs, partitions, a check, a failure, a tick and a cursor."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetKey,
    DagsterInstance,
    DailyPartitionsDefinition,
    MaterializeResult,
    asset,
    asset_check,
    materialize,
)
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.run_status_sensor_definition import RunStatusSensorCursor
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)

from ab_pipeline.paths import PROJECT_ROOT

FAILING_DAY = "2025-01-13"


@asset(partitions_def=DailyPartitionsDefinition("2025-01-01"))
def daily(context: AssetExecutionContext) -> MaterializeResult:
    if context.partition_key == FAILING_DAY:
        raise ValueError("no luck")
    context.log.info("what a person wants to read later")
    return MaterializeResult(metadata={"rows": 1}, tags={"source": "test"})


@asset_check(asset=daily)
def holds() -> AssetCheckResult:
    return AssetCheckResult(passed=True)


@contextmanager
def sqlite_instance(home: Path) -> Iterator[DagsterInstance]:
    """An instance with the files that `make dev` would use."""
    home.mkdir(exist_ok=True)
    shutil.copyfile(PROJECT_ROOT / "deploy" / "dagster.yaml", home / "dagster.yaml")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DAGSTER_HOME", str(home))
        with DagsterInstance.from_config(str(home)) as instance:
            yield instance


@contextmanager
def postgres_instance(home: Path, url: str) -> Iterator[DagsterInstance]:
    """An instance in PostgreSQL."""
    home.mkdir(exist_ok=True)
    location = url.replace("postgresql://", "postgresql+psycopg2://")
    (home / "dagster.yaml").write_text(
        f"telemetry:\n  enabled: false\nstorage:\n  postgres:\n    postgres_url: {location}\n"
    )
    with DagsterInstance.from_config(str(home)) as instance:
        yield instance


def live_through(instance: DagsterInstance, days: Iterable[str]) -> None:
    """A run a day, and a run-status sensor that has seen all of them."""
    for day in days:
        materialize([daily, holds], partition_key=day, instance=instance, raise_on_error=False)
    newest = instance.event_log_storage.get_maximum_record_id()
    repository = RemoteRepositoryOrigin(
        GrpcServerCodeLocationOrigin("localhost", 1, location_name="here"), "repository"
    )
    origin = repository.get_instigator_origin("alerts")
    cursor = RunStatusSensorCursor(record_id=newest or 0).to_json()
    if not instance.get_instigator_state(origin.get_id(), origin.get_selector().get_id()):
        data = SensorInstigatorData(last_tick_timestamp=1.0, cursor=cursor)
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
        instance.add_instigator_state(state)
    instance.create_tick(
        TickData(
            origin.get_id(),
            "alerts",
            InstigatorType.SENSOR,
            TickStatus.SUCCESS,
            1.0,
            run_ids=[],
            selector_id=origin.get_selector().get_id(),
            cursor=cursor,
        )
    )


def materialized_days(instance: DagsterInstance) -> set[str]:
    """What Dagster takes for materialized."""
    return set(instance.get_materialized_partitions(AssetKey("daily")))
