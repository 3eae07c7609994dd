"""A Dagster with a long past: three real runs, and copies of them that ended at other times.

A copy has the rows and files that the real run has, written in bulk: executing a thousand runs takes an hour.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from dagster import AssetKey, DagsterEventType, DagsterInstance, DagsterRun
from dagster._core.definitions.run_status_sensor_definition import RunStatusSensorCursor
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.events.log import EventLogEntry
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.tags import PARTITION_NAME_TAG
from dagster_shared.serdes import deserialize_value, serialize_value

from ab_pipeline_tests.maintenance.cleanup.pipeline import DEFINITIONS, FIRST_DAY

_JOBS = ("dailies", "dailies", "checks", "dailies", "checks", "flakies")
_DAYS = 40
_FAILED_DAYS = 3
_INDEXED = {
    event_type.value for event_type in ASSET_EVENTS | ASSET_CHECK_EVENTS | EVENT_TYPE_TO_PIPELINE_RUN_STATUS.keys()
}


@contextmanager
def instance_at(
    home: Path, postgres_url: str | None = None, compute_logs_bucket: str | None = None
) -> Iterator[DagsterInstance]:
    """The instance of a DAGSTER_HOME, on SQLite there or on PostgreSQL."""
    home.mkdir(parents=True, exist_ok=True)
    config: dict[str, Any] = {"telemetry": {"enabled": False}}
    if postgres_url:
        config["storage"] = {
            "postgres": {"postgres_url": postgres_url.replace("postgresql://", "postgresql+psycopg2://")}
        }
    if compute_logs_bucket:
        manager = {"module": "dagster_aws.s3.compute_log_manager", "class": "S3ComputeLogManager"}
        config["compute_logs"] = {**manager, "config": {"bucket": compute_logs_bucket, "local_dir": str(home / "logs")}}
    (home / "dagster.yaml").write_text(json.dumps(config))
    with DagsterInstance.from_config(str(home)) as instance:
        yield instance


def make_history(instance: DagsterInstance, runs: int, now: datetime, days: int = 100) -> None:
    """Runs that ended at even distances over the days up to now: of six, three of five daily assets, two of thirty
    checked ones, and one that failed. A schedule and a sensor are beside them."""
    Path(instance.storage_directory()).mkdir(exist_ok=True)
    real = {job: _real_run(instance, job) for job in dict.fromkeys(_JOBS)}
    copies = Copies(instance)
    spacing = timedelta(days=days) / runs
    for number in range(runs):
        job = _JOBS[number % len(_JOBS)]
        # the last attempts of some partitions failed long ago
        day = FIRST_DAY + timedelta(days=number // len(_JOBS) % _FAILED_DAYS if job == "flakies" else number % _DAYS)
        copies.add(real[job], now - spacing * (runs - number), f"{day:%Y-%m-%d}")
    copies.write()
    add_instigators(instance, now)
    for original in real.values():
        copies.forget(original)


@dataclass(frozen=True)
class RealRun:
    """A run that happened, with its events as rows."""

    run: DagsterRun
    rows: list[dict[str, Any]]
    ended_at: float
    partition: str | None


def _real_run(instance: DagsterInstance, job: str) -> RealRun:
    partition = None if job == "checks" else "2025-12-31"
    result = DEFINITIONS.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key=partition, raise_on_error=False
    )
    run, events = instance.get_run_by_id(result.run_id), instance.all_logs(result.run_id)
    assert run
    rows = [cast("SqlEventLogStorage", instance.event_log_storage)._event_to_row(event) for event in events]
    return RealRun(run, rows, events[-1].timestamp, partition)


@dataclass
class Copies:
    """Copies of runs, gathered and then written at once."""

    instance: DagsterInstance
    _events: list[dict[str, Any]] = field(default_factory=list)
    _tags: list[dict[str, Any]] = field(default_factory=list)
    _checks: list[dict[str, Any]] = field(default_factory=list)
    _runs: list[dict[str, Any]] = field(default_factory=list)
    _newest: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By asset, the row of its newest materialization."""

    def __post_init__(self) -> None:
        self._storage = cast("SqlEventLogStorage", self.instance.event_log_storage)
        with self._storage.index_connection() as connection:
            self._last_id = connection.execute(sa.select(sa.func.max(SqlEventLogStorageTable.c.id))).scalar_one()

    def add(self, real: RealRun, ended_at: datetime, day: str) -> str:
        """A copy of a run that ended at another time and is of another day; its id."""
        run_id = str(uuid.uuid4())
        shift = ended_at.timestamp() - real.ended_at
        rows = [_copy(row, real, run_id, shift, day) for row in real.rows]
        self._add_run(real, run_id, day, rows)
        self._add_files(real, run_id, rows)
        for row in rows:
            if not self._storage.is_run_sharded or row["dagster_event_type"] in _INDEXED:
                self._index(row)
        return run_id

    def _index(self, row: dict[str, Any]) -> None:
        self._last_id += 1
        if row["dagster_event_type"] == DagsterEventType.ASSET_CHECK_EVALUATION.value:
            self._checks.append(self._check(row))
        row = {**row, "id": self._last_id}
        self._events.append(row)
        if row["dagster_event_type"] == DagsterEventType.ASSET_MATERIALIZATION.value:
            self._newest[row["asset_key"]] = row
            tags = json.loads(row["event"])["dagster_event"]["event_specific_data"]["materialization"]["tags"]
            of = {"event_id": row["id"], "asset_key": row["asset_key"], "event_timestamp": row["timestamp"]}
            self._tags += [{**of, "key": key, "value": value} for key, value in tags.items()]

    def _check(self, row: dict[str, Any]) -> dict[str, Any]:
        evaluation = json.loads(row["event"])["dagster_event"]["event_specific_data"]
        asset_key = AssetKey(evaluation["asset_key"]["path"]).to_string()
        # the newest materialization is what was checked
        target = self._newest[asset_key]["id"]
        row["event"] = re.sub(r'"storage_id": \d+', f'"storage_id": {target}', row["event"])
        return {
            "asset_key": asset_key,
            "check_name": evaluation["check_name"],
            "partition": None,
            "run_id": row["run_id"],
            "execution_status": "SUCCEEDED" if evaluation["success"] else "FAILED",
            "evaluation_event": row["event"],
            "evaluation_event_timestamp": row["timestamp"],
            "evaluation_event_storage_id": self._last_id,
            "materialization_event_storage_id": target,
            "create_timestamp": row["timestamp"],
        }

    def _add_run(self, real: RealRun, run_id: str, day: str, rows: list[dict[str, Any]]) -> None:
        tags = {**real.run.tags, **({PARTITION_NAME_TAG: day} if real.partition else {})}
        self._runs.append(
            {
                "run_id": run_id,
                "snapshot_id": real.run.job_snapshot_id,
                "pipeline_name": real.run.job_name,
                "status": real.run.status.value,
                "run_body": serialize_value(real.run._replace(run_id=run_id, tags=tags)),
                "create_timestamp": rows[0]["timestamp"],
                "update_timestamp": rows[-1]["timestamp"],
                "start_time": rows[0]["timestamp"].replace(tzinfo=UTC).timestamp(),
                "end_time": rows[-1]["timestamp"].replace(tzinfo=UTC).timestamp(),
            }
        )

    def _add_files(self, real: RealRun, run_id: str, rows: list[dict[str, Any]]) -> None:
        storage = Path(self.instance.storage_directory())
        if (storage / real.run.run_id).exists():
            shutil.copytree(storage / real.run.run_id, storage / run_id)
        if isinstance(self._storage, SqliteEventLogStorage):
            shard = Path(self._storage.path_for_shard(run_id))
            # with its schema: to create it takes longer than all else
            shutil.copy(self._storage.path_for_shard(real.run.run_id), shard)
            with closing(sqlite3.connect(shard)) as connection, connection:
                connection.execute("pragma synchronous = off")
                connection.execute("delete from event_logs")
                connection.executemany(
                    "insert into event_logs"
                    " (run_id, event, dagster_event_type, timestamp, step_key, asset_key, partition)"
                    " values (:run_id, :event, :dagster_event_type, :at, :step_key, :asset_key, :partition)",
                    [{**row, "at": row["timestamp"].isoformat(" ")} for row in rows],
                )

    def write(self) -> None:
        """Store what was gathered."""
        with self._storage.index_transaction() as connection:
            connection.execute(sa.insert(SqlEventLogStorageTable), self._events)
            connection.execute(sa.insert(AssetEventTagsTable), self._tags)
            connection.execute(sa.insert(AssetCheckExecutionsTable), self._checks)
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text(f"select setval('event_logs_id_seq', {self._last_id})"))
        for row in self._newest.values():
            self._storage.store_asset_event(deserialize_value(row["event"], EventLogEntry), row["id"])
        with cast("SqlRunStorage", self.instance.run_storage).connect() as connection:
            connection.execute(sa.insert(RunsTable), self._runs)

    def forget(self, real: RealRun) -> None:
        """Delete the run that was copied, with its files."""
        run_id = real.run.run_id
        self.instance.delete_run(run_id)
        shutil.rmtree(Path(self.instance.storage_directory()) / run_id)
        if isinstance(self._storage, SqliteEventLogStorage):
            shard = Path(self._storage.path_for_shard(run_id))
            for file in shard.parent.glob(f"{run_id}*"):
                file.unlink()
        with self._storage.index_transaction() as connection:
            connection.execute(sa.delete(AssetCheckExecutionsTable).where(AssetCheckExecutionsTable.c.run_id == run_id))


def _copy(row: dict[str, Any], real: RealRun, run_id: str, shift: float, day: str) -> dict[str, Any]:
    event = row["event"].replace(real.run.run_id, run_id)
    event = re.sub(r'("timestamp": )([\d.]+)', lambda match: f"{match[1]}{float(match[2]) + shift}", event)
    if real.partition:
        event = event.replace(real.partition, day)
    changed = {"run_id": run_id, "event": event, "timestamp": row["timestamp"] + timedelta(seconds=shift)}
    return {**row, **changed, "partition": day if row["partition"] else None}


def add_instigators(instance: DagsterInstance, now: datetime) -> None:
    """A schedule and a run-status sensor that has handled everything; each with ticks over a hundred days."""
    with cast("SqlEventLogStorage", instance.event_log_storage).index_connection() as connection:
        newest = connection.execute(sa.select(sa.func.max(SqlEventLogStorageTable.c.id))).scalar_one()
    add_sensor(instance, "after_each_run", RunStatusSensorCursor(newest).to_json())
    data = ScheduleInstigatorData("15 5 * * *")
    schedule = InstigatorState(_origin("every_night"), InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, data)
    instance.add_instigator_state(schedule)
    for state in instance.all_instigator_state():
        for age in range(100, 0, -4):
            tick = TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=state.instigator_name,
                instigator_type=state.instigator_type,
                status=TickStatus.SKIPPED,
                # the schedule was stopped long ago
                timestamp=(now - timedelta(days=age + 50 * (state == schedule))).timestamp(),
                selector_id=state.selector_id,
            )
            instance.create_tick(tick)


def add_sensor(instance: DagsterInstance, name: str, cursor: str) -> None:
    """A sensor that has come as far as the cursor."""
    data = SensorInstigatorData(cursor=cursor, sensor_type=SensorType.RUN_STATUS)
    state = InstigatorState(_origin(name), InstigatorType.SENSOR, InstigatorStatus.RUNNING, data)
    instance.add_instigator_state(state)


def _origin(name: str) -> RemoteInstigatorOrigin:
    location = RegisteredCodeLocationOrigin("ab_pipeline")
    return RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
