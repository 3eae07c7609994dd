"""Alerts and freshness on the real dbt project and a real warehouse."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckSeverity,
    AssetSelection,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    build_sensor_context,
    define_asset_job,
    in_process_executor,
)

from ab_pipeline.assets.dbt import warehouse_assets
from ab_pipeline.assets.freshness import daily_freshness, daily_keys, raw_freshness
from ab_pipeline.assets.raw import raw_assets
from ab_pipeline.assets.translator import AbPipelineTranslator
from ab_pipeline.automation.alerts import alert_sensors
from ab_pipeline.dbt.api import forget_warehouse
from ab_pipeline.dbt.project import load_project
from ab_pipeline.partitions import daily_partitions
from ab_pipeline.settings import Settings, load_settings
from ab_pipeline.warehouse.connect import warehouse_of
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse, DuckDBFile
from ab_pipeline_tests.integration.duckdb_only import duckdb_only

# dagster-dbt itself reads what Dagster has deprecated
pytestmark = [
    pytest.mark.says_the_same_on_redshift,
    pytest.mark.filterwarnings("ignore:AssetExecutionContext:DeprecationWarning"),
]

DAY = "2025-01-02"
OWNER = "Owner: team:experimentation"


class Location:
    """The code location, as definitions.py makes it, on the DuckDB file of the test."""

    def __init__(self, instance: DagsterInstance, settings: Settings) -> None:
        self.instance = instance
        self.settings = settings
        project = load_project(settings)
        manifest: dict[str, Any] = json.loads(project.manifest_path.read_bytes())
        translator = AbPipelineTranslator(daily_partitions(settings))
        models = warehouse_assets(project, manifest, translator, {})
        checks = [
            raw_freshness(project, manifest, translator, settings),
            daily_freshness(daily_keys(models), settings, warehouse_of(settings)),
        ]
        self.definitions = Definitions(
            assets=[*raw_assets(manifest, translator), models],
            asset_checks=checks,
            jobs=[
                define_asset_job("refresh", AssetSelection.all() - AssetSelection.checks(*checks)),
                define_asset_job("freshness", AssetSelection.checks(*checks)),
            ],
            executor=in_process_executor,
        )

    def run(self, job: str, partition: str | None = None) -> ExecuteInProcessResult:
        try:
            return self.definitions.resolve_job_def(job).execute_in_process(
                instance=self.instance, partition_key=partition, raise_on_error=False
            )
        finally:
            forget_warehouse()

    def alerts(self) -> list[str]:
        told: list[str] = []
        for sensor in alert_sensors(self.settings, told.append):
            sensor.evaluate_tick(build_sensor_context(self.instance, definitions=self.definitions))
        return told

    def freshness(self) -> dict[str, tuple[bool, AssetCheckSeverity, str | None]]:
        result = self.run("freshness")
        assert result.success
        return {
            check.asset_key.path[-1]: (check.passed, check.severity, check.description)
            for check in result.get_asset_check_evaluations()
        }


@pytest.fixture
def location(warehouse: DbtWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Location]:
    monkeypatch.setenv("AB_PIPELINE_ALERTS_PATH", str(tmp_path / "alerts.jsonl"))
    warehouse.execute("insert into raw_data.user_event values (1, '2025-01-02', 7, 1, 1, 100)")
    warehouse.execute("insert into raw_data.user_variant values (1, 'checkout_control', null)")
    warehouse.execute("insert into raw_data.user_metadata values (1, '18-24', 'f', '2025-01-01')")
    with DagsterInstance.ephemeral() as instance:
        yield Location(instance, load_settings())


def test_a_model_that_fails_is_named_with_dbts_own_words(location: Location, warehouse: DbtWarehouse) -> None:
    assert location.run("refresh", DAY).success
    warehouse.execute("alter table analytics.fact_user_event drop column clicked")
    assert not location.run("refresh", DAY).success
    [text] = location.alerts()
    lines = text.splitlines()
    assert lines[:3] == [
        f"ERROR: fact_user_event failed in refresh, {DAY}",
        OWNER,
        "> The source and target schemas on this incremental model are out of sync!",
    ]
    assert location.alerts() == []


def test_raw_tables_that_are_not_as_agreed_are_named(location: Location, warehouse: DbtWarehouse) -> None:
    warehouse.execute("alter table raw_data.user_event rename column clicked to klicked")
    run = location.run("refresh", DAY)
    [failure] = [event.step_failure_data.error for event in run.all_events if event.is_step_failure]
    assert failure
    # dbt raises what it has logged
    assert failure.to_string().count("raw_data.user_event.clicked is missing") == 1
    [text] = location.alerts()
    assert "> - raw_data.user_event.clicked is missing (integer)" in text


def test_a_failed_check_is_one_alert_and_not_a_failed_run_too(location: Location, warehouse: DbtWarehouse) -> None:
    # the test that fails is the only failure of the run
    warehouse.execute("insert into raw_data.user_event values (1, '2025-01-02', 7, 1, 1, 100)")
    assert location.run("refresh", DAY).success
    warehouse.execute(
        "insert into analytics.analytics_variant_user_daily select * from analytics.analytics_variant_user_daily"
    )
    graph = location.definitions.resolve_asset_graph()
    [key] = [key for key in graph.asset_check_keys if key.name.startswith("unique_key_analytics")]
    job = location.definitions.resolve_implicit_global_asset_job_def()
    job.get_subset(asset_selection=set(), asset_check_selection={key}).execute_in_process(
        instance=location.instance, raise_on_error=False
    )
    forget_warehouse()
    [text] = location.alerts()
    assert text.startswith(f"ERROR: analytics_variant_user_daily: {key.name} failed in ")
    assert OWNER in text
    assert "Failing rows: 1\n> Got 1 result, configured to fail if != 0" in text


def test_stale_fresh_and_empty_raw_tables(location: Location, warehouse: DbtWarehouse) -> None:
    found = location.freshness()
    assert found["user_event"][:2] == (False, AssetCheckSeverity.ERROR)
    assert found["user_metadata"][:2] == (False, AssetCheckSeverity.WARN)
    assert found.keys() == {"user_event", "user_metadata", "fact_user_event", "analytics_variant_user_daily"}
    now = datetime.now(UTC).replace(tzinfo=None)
    warehouse.execute("insert into raw_data.user_event values (1, ?, 7, 1, 1, 100)", [now - timedelta(hours=40)])
    assert location.freshness()["user_event"][:2] == (False, AssetCheckSeverity.WARN)
    warehouse.execute("insert into raw_data.user_event values (1, ?, 7, 1, 1, 100)", [now])
    warehouse.execute("delete from raw_data.user_metadata")
    found = location.freshness()
    assert found["user_event"][0]
    assert found["user_metadata"] == (False, AssetCheckSeverity.WARN, "the table has no rows")


@duckdb_only
def test_a_duckdb_file_that_is_missing_or_locked_fails_the_check_with_the_reason(
    location: Location, warehouse: DuckDBFile
) -> None:
    hold = f"import duckdb; connection = duckdb.connect({str(warehouse.path)!r}); print(flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout
    holder.stdout.readline()
    try:
        passed, severity, reason = location.freshness()["user_event"]
    finally:
        holder.communicate(b"\n")
    assert (passed, severity) == (False, AssetCheckSeverity.WARN)
    assert "Could not set lock on file" in str(reason)
    warehouse.path.unlink()
    assert location.freshness()["user_event"] == (
        False,
        AssetCheckSeverity.WARN,
        f"{warehouse.path} does not exist yet",
    )
    assert not warehouse.path.exists()


def test_a_dropped_raw_table_is_named(location: Location, warehouse: DbtWarehouse) -> None:
    warehouse.execute("drop table raw_data.user_metadata")
    passed, severity, reason = location.freshness()["user_metadata"]
    assert (passed, severity) == (False, AssetCheckSeverity.WARN)
    assert re.search('user_metadata"? does not exist', str(reason))
