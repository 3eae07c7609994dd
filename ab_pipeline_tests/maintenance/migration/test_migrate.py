"""From SQLite to PostgreSQL nothing is lost, not even by a kill, and Dagster goes on where it was."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from dagster import AssetCheckKey, AssetKey, DagsterEventType, DagsterInstance
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
from dagster._core.event_api import RunStatusChangeRecordsFilter
from dagster._core.storage.dagster_run import DagsterRunStatus

from ab_pipeline.maintenance.migration.migrate import migrate
from ab_pipeline.maintenance.storage import SqliteStorage, StorageError, postgres_storage
from ab_pipeline_tests.maintenance.history import live_through, materialized_days, postgres_instance
from ab_pipeline_tests.servers import empty_database, postgres_session

MIGRATE = """
import sys
from pathlib import Path
from ab_pipeline.maintenance.migration.migrate import migrate
from ab_pipeline.maintenance.storage import SqliteStorage, postgres_storage
migrate(SqliteStorage.below(Path(sys.argv[1])), postgres_storage(sys.argv[2]), print)
"""


@pytest.fixture
def empty(postgres_url: str) -> str:
    empty_database(postgres_url)
    return postgres_url


def _story(instance: DagsterInstance) -> dict[str, object]:
    """What Dagster tells of its past, without ids."""
    check = AssetCheckKey(AssetKey("daily"), "holds")
    state = instance.all_instigator_state()[0]
    runs = instance.get_run_records()
    return {
        "runs": [(record.dagster_run, record.start_time, record.end_time) for record in runs],
        "events": {
            record.dagster_run.run_id: [
                (log.timestamp, log.user_message, log.dagster_event_type)
                for log in instance.all_logs(record.dagster_run.run_id)
            ]
            for record in runs
        },
        "days": materialized_days(instance),
        "checks": [
            record.status for record in instance.event_log_storage.get_asset_check_execution_history(check, limit=99)
        ],
        "ticks": [tick.status for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id)],
    }


def _changes_after_the_cursor(instance: DagsterInstance) -> int:
    """How many runs a run-status sensor would still handle."""
    (state,) = instance.all_instigator_state()
    cursor = json.loads(getattr(state.instigator_data, "cursor", ""))["record_id"]
    records = instance.fetch_run_status_changes(
        RunStatusChangeRecordsFilter(DagsterEventType.RUN_SUCCESS, after_storage_id=cursor), limit=100
    ).records
    return len(records)


def test_dagster_tells_the_same_story_and_goes_on(home: Path, empty: str, tmp_path: Path) -> None:
    with DagsterInstance.from_config(str(home)) as instance:
        before = _story(instance)
    said: list[str] = []
    migrate(SqliteStorage.below(home), postgres_storage(empty), said.append)
    assert said[-1].startswith("compared: 3 runs, 48 events in order, 2 partitions, 1 ticks")
    with postgres_instance(tmp_path / "new", empty) as instance:
        assert _story(instance) == before
        assert _changes_after_the_cursor(instance) == 0
        # a check still knows that it was about the newest materialization it was about
        key = AssetCheckKey(AssetKey("daily"), "holds")
        checked = [
            record.evaluation.target_materialization_data.storage_id
            for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=99)
            if isinstance(record.evaluation, AssetCheckEvaluation) and record.evaluation.target_materialization_data
        ]
        made = instance.fetch_materializations(AssetKey("daily"), limit=99).records
        assert checked == [record.storage_id for record in made]
        live_through(instance, ["2025-01-04"])
        assert materialized_days(instance) == {"2025-01-01", "2025-01-02", "2025-01-04"}
        assert instance.get_runs_count() == 4
        assert instance.get_runs(limit=1)[0].status == DagsterRunStatus.SUCCESS


def test_a_database_in_use_is_not_migrated_into(home: Path, postgres_url: str) -> None:
    with pytest.raises(StorageError, match="holds runs and event_logs already"):
        migrate(SqliteStorage.below(home), postgres_storage(postgres_url), print)


def test_an_old_schema_is_refused(home: Path, empty: str) -> None:
    with sqlite3.connect(home / "history" / "runs.db") as connection:
        connection.execute("update alembic_version set version_num = '284a732df317'")
    connection.close()
    with pytest.raises(StorageError, match="run `dagster instance migrate` first"):
        migrate(SqliteStorage.below(home), postgres_storage(empty), print)


def test_a_migration_that_is_killed_goes_on(home: Path, empty: str) -> None:
    command = [sys.executable, "-u", "-c", MIGRATE, str(home), empty]
    for lines in (5, 12):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout
            for _ in range(lines):
                process.stdout.readline()
            process.send_signal(signal.SIGKILL)
    said: list[str] = []
    migrate(SqliteStorage.below(home), postgres_storage(empty), said.append)
    assert said[0].startswith("going on: ")
    assert said[-1].startswith("compared: 3 runs, 48 events in order")


def test_a_difference_at_the_end_is_an_error(home: Path, empty: str) -> None:
    storage = SqliteStorage.below(home)
    spoilt: list[str] = []

    def spoil(line: str) -> None:
        if line.startswith("events of 3 of 3") and not spoilt:
            spoilt.append(line)
            with postgres_session(empty) as cursor:
                cursor.execute("update event_logs set event = event || ' ' where id = (select max(id) from event_logs)")

    with pytest.raises(StorageError, match=r"events of run .* differ at row"):
        migrate(storage, postgres_storage(empty), spoil)
    assert spoilt
