"""The event log that commits in batches: it must not differ from Dagster's own in anything but time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetSpec,
    BackfillPolicy,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DailyPartitionsDefinition,
    EventLogEntry,
    materialize,
    multi_asset,
)
from dagster._core.events import StepMaterializationData
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from sqlalchemy.engine import Connection

from ab_pipeline.event_log import BatchingSqliteEventLogStorage
from ab_pipeline.paths import PROJECT_ROOT

DAYS = DailyPartitionsDefinition("2025-01-01", end_date="2025-01-21")
RANGE = {ASSET_PARTITION_RANGE_START_TAG: "2025-01-02", ASSET_PARTITION_RANGE_END_TAG: "2025-01-11"}


@multi_asset(specs=[AssetSpec("daily", partitions_def=DAYS)], backfill_policy=BackfillPolicy.single_run())
def daily() -> None:
    """Built for a range of days at once."""


@contextmanager
def _instance(folder: Path) -> Iterator[DagsterInstance]:
    """As `deploy/dagster.yaml` configures it."""
    folder.mkdir(exist_ok=True)
    shutil.copy(PROJECT_ROOT / "deploy" / "dagster.yaml", folder)
    with DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def _events(instance: DagsterInstance, run_id: str) -> list[tuple[str | None, str | None]]:
    logged = [entry.dagster_event for entry in instance.all_logs(run_id)]
    return [(event.event_type_value, event.partition) for event in logged if event]


def test_the_deployment_uses_it_where_dagster_keeps_the_event_log(tmp_path: Path) -> None:
    with _instance(tmp_path) as instance:
        assert isinstance(instance.event_log_storage, BatchingSqliteEventLogStorage)
    assert (tmp_path / "history" / "runs" / "index.db").exists()


def test_a_range_is_recorded_as_dagsters_own_storage_records_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = []
    for folder, batch_size in (("batches", "1000"), ("one by one", "0")):
        monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", batch_size)
        with _instance(tmp_path / folder) as instance:
            result = materialize([daily], instance=instance, tags=RANGE)
            logged.append(_events(instance, result.run_id))
            assert instance.get_materialized_partitions(AssetKey("daily")) == set(DAYS.get_partition_keys()[1:11])
    assert logged[0] == logged[1]


def test_a_batch_is_committed_once_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    connect = SqliteEventLogStorage._connect

    @contextmanager
    def counted(self: SqliteEventLogStorage, shard: str) -> Iterator[Connection]:
        opened.append(shard)
        with connect(self, shard) as connection:
            yield connection

    with _instance(tmp_path) as instance:
        storage = instance.event_log_storage
        monkeypatch.setattr(SqliteEventLogStorage, "_connect", counted)
        storage.store_event_batch([_materialization(day) for day in DAYS.get_partition_keys()])
        assert sorted(opened) == ["a-run", "index"]
        assert len(storage.get_logs_for_run("a-run")) == 20


def test_of_a_batch_that_fails_nothing_is_recorded_and_the_storage_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = _materialization("2025-01-02")
    with _instance(tmp_path) as instance:
        storage = instance.event_log_storage

        def fail_at_the_second(event: EventLogEntry) -> None:
            if event is not good:
                raise OSError("No space left on device")
            SqliteEventLogStorage.store_event(cast("SqliteEventLogStorage", storage), event)

        with monkeypatch.context() as broken:
            broken.setattr(storage, "store_event", fail_at_the_second)
            with pytest.raises(OSError, match="No space left"):
                storage.store_event_batch([good, _materialization("2025-01-03")])
        assert storage.get_logs_for_run("a-run") == []
        storage.store_event_batch([good])
        assert len(storage.get_logs_for_run("a-run")) == 1


def _materialization(day: str) -> EventLogEntry:
    materialization = AssetMaterialization(AssetKey("daily"), partition=day)
    event = DagsterEvent(
        DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name="a_job",
        event_specific_data=StepMaterializationData(materialization),
    )
    return EventLogEntry(None, 10, "", "a-run", timestamp=1.0, dagster_event=event)
