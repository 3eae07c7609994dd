"""The project as a person at a terminal runs it: Dagster's commands, a home of their own, a small sample."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
from dagster import AssetKey, DagsterEvent, DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.raw_data.contract import SCHEMA
from ab_pipeline_tests.dbt_warehouse import Connection, DbtWarehouse, Rows
from ab_pipeline_tests.mandated import BUILT_TABLE, MANDATED_SELECT, num_of_differences

BIN = PROJECT_ROOT / ".venv" / "bin"
FIRST_DAY, SECOND_DAY, LAST_DAY = "2025-02-18", "2025-02-19", "2025-02-20"
ALL_DAYS = f"{FIRST_DAY}...{LAST_DAY}"
DIMENSIONS = {"dim_user_variant", "dim_user_metadata", "dim_user", "snapshot_user_variant", "snapshot_user_metadata"}
REGISTRY = {"experiments", "experiment_variants"}
DAILY = {"fact_user_event", "analytics_variant_user_daily"}
LAYERS = ",".join(sorted(DIMENSIONS | REGISTRY | DAILY))


@dataclass(frozen=True)
class DagsterProject:
    """One warehouse and one DAGSTER_HOME."""

    warehouse: DbtWarehouse
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"DAGSTER_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}

    def start(self, *command: str, cwd: Path = PROJECT_ROOT) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            cwd=cwd,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, cwd: Path = PROJECT_ROOT) -> str:
        """What a command that succeeds prints."""
        process = self.start(*command, cwd=cwd)
        output, _ = process.communicate(timeout=180)
        assert process.returncode == 0, output
        return output

    def materialize(self, select: str, *days: str) -> str:
        """Build by Dagster's own command; a day, a range of days, or neither."""
        option = [("--partition-range" if "..." in day else "--partition", day) for day in days]
        return self.run(*materialize_command(select), *(word for pair in option for word in pair))

    def execute(self, sql: str) -> Rows:
        with self._opened() as connection:
            return connection.execute(sql).fetchall()

    def _opened(self) -> AbstractContextManager[Connection]:
        """The warehouse; a DuckDB file as soon as no run has it open: a sensor may have started one."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.warehouse.connect()
            except duckdb.IOException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def is_as_mandated(self) -> bool:
        with self._opened() as connection:
            return num_of_differences(connection, BUILT_TABLE, MANDATED_SELECT) == 0

    def keep_as_before(self) -> None:
        self.execute(f"create table {SCHEMA}.before as {BUILT_TABLE}")

    def is_as_before(self) -> bool:
        with self._opened() as connection:
            return num_of_differences(connection, BUILT_TABLE, f"select * from {SCHEMA}.before") == 0

    @contextmanager
    def instance(self) -> Iterator[DagsterInstance]:
        with DagsterInstance.from_config(str(self.home)) as instance:
            yield instance

    def events(self, event_type: DagsterEventType, tags: Mapping[str, str] | None = None) -> list[DagsterEvent]:
        """What Dagster recorded, over all runs or those with the tags; of the newest run first."""
        with self.instance() as instance:
            return [
                record.event_log_entry.get_dagster_event()
                for run in instance.get_runs(RunsFilter(tags=tags))
                for record in instance.get_records_for_run(run.run_id, of_type=event_type).records
            ]

    def statuses(self) -> list[DagsterRunStatus]:
        """Of each run, the newest first."""
        with self.instance() as instance:
            return [run.status for run in instance.get_runs()]

    def materialized(self, tags: Mapping[str, str] | None = None) -> dict[str, set[str | None]]:
        """The days of each asset that was built; None for an asset without days."""
        days: dict[str, set[str | None]] = {}
        for event in self.events(DagsterEventType.ASSET_MATERIALIZATION, tags):
            days.setdefault(_name(event.asset_key), set()).add(event.partition)
        return days

    def checked(self) -> Mapping[str, bool]:
        """Whether each check that ran has passed, the newest time; but for freshness, since the sample is old."""
        evaluations = [
            event.asset_check_evaluation_data for event in self.events(DagsterEventType.ASSET_CHECK_EVALUATION)
        ]
        newest = {evaluation.check_name: evaluation.passed for evaluation in reversed(evaluations)}
        newest.pop("daily_freshness", None)
        return newest


def materialize_command(select: str) -> tuple[str, ...]:
    return ("dagster", "asset", "materialize", "-m", "ab_pipeline.definitions", "--select", select)


def days_of(assets: set[str], *days: str | None) -> dict[str, set[str | None]]:
    """The same days for each asset."""
    return {asset: set(days) for asset in assets}


def new_project(warehouse: DbtWarehouse, home: Path) -> DagsterProject:
    """A Dagster that remembers nothing."""
    home.mkdir()
    shutil.copy(PROJECT_ROOT / "deploy" / "dagster.yaml", home)
    return DagsterProject(warehouse, home)


def _name(key: AssetKey | None) -> str:
    assert key
    return key.to_user_string()
