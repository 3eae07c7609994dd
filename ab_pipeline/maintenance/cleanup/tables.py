"""The rows of Dagster's storage that grow: counted, read as they are stored, and deleted.

Dagster's own API is used where it has one. It has none that counts rows, deletes some of a run's events, or deletes
check results and snapshots. For these the SQL is built from Dagster's own tables, one for both storages.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, cast

import sqlalchemy as sa
from dagster import DagsterInstance
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.schema import RunsTable, SnapshotsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.schedules.schema import AssetDaemonAssetEvaluationsTable, JobTickTable
from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage
from sqlalchemy.exc import IntegrityError

from ab_pipeline.maintenance.cleanup.beliefs import Beliefs
from ab_pipeline.maintenance.cleanup.engine import persistently
from ab_pipeline.maintenance.cleanup.inventory import GROWTH_DAYS, Place, Store

_ROWS_AT_ONCE = 500
# a run that is being created has looked for its snapshots and names them within this time
_CREATION_SECONDS = 1.0

_Connect = Callable[[], AbstractContextManager[sa.Connection]]


@dataclass(frozen=True)
class _Growing:
    """A table that grows, and others that are counted with it."""

    name: str
    table: sa.Table
    at: sa.Column | None
    with_it: tuple[str, ...] = ()


_EVENTS = (
    _Growing("events", SqlEventLogStorageTable, SqlEventLogStorageTable.c.timestamp),
    _Growing("asset event tags", AssetEventTagsTable, AssetEventTagsTable.c.event_timestamp),
    _Growing("check executions", AssetCheckExecutionsTable, AssetCheckExecutionsTable.c.create_timestamp),
)
_RUNS = (
    _Growing("runs", RunsTable, RunsTable.c.create_timestamp, with_it=("run_tags",)),
    _Growing("snapshots", SnapshotsTable, None),
)
_SCHEDULES = (
    _Growing("ticks", JobTickTable, JobTickTable.c.timestamp),
    _Growing(
        "automation evaluations", AssetDaemonAssetEvaluationsTable, AssetDaemonAssetEvaluationsTable.c.create_timestamp
    ),
)


class DagsterTables:
    """The tables of one instance, on SQLite or PostgreSQL."""

    def __init__(self, instance: DagsterInstance) -> None:
        self._instance = instance
        self._events = cast("SqlEventLogStorage", instance.event_log_storage)
        self._runs = cast("SqlRunStorage", instance.run_storage)
        self._schedules = cast("SqlScheduleStorage", instance.schedule_storage)

    def stores(self, bytes_of: Mapping[str, int], place: Place, since: datetime) -> Iterator[Store]:
        """Each table that grows, with the rows added since a moment as its growth."""
        left = Counter(bytes_of)
        groups: list[tuple[tuple[_Growing, ...], _Connect]] = [
            (_EVENTS, self._events.index_connection),
            (_RUNS, self._runs.connect),
            (_SCHEDULES, self._schedules.connect),
        ]
        for tables, connect in groups:
            for growing in tables:
                with connect() as connection:
                    rows, added = connection.execute(_count(growing, since)).one()
                size = sum(left.pop(name, 0) for name in (growing.table.name, *growing.with_it))
                a_day = added / GROWTH_DAYS
                yield Store(growing.name, place, size, rows, a_day * size / max(rows, 1), a_day)
        if free := left.pop("free space", 0):
            yield Store("free space in databases", place, free, 0)
        yield Store("other tables", place, left.total(), 0)

    def rows_by_run(self) -> Counter[str]:
        """Events and check results by run id, also of runs that are gone."""
        rows: Counter[str] = Counter()
        for table in (SqlEventLogStorageTable, AssetCheckExecutionsTable):
            query = sa.select(table.c.run_id, sa.func.count()).group_by(table.c.run_id)
            with self._events.index_connection() as connection:
                rows.update({run_id: count for run_id, count in connection.execute(query) if run_id})
        return rows

    def delete_events(self, run_ids: Collection[str], beliefs: Beliefs, before: datetime | None = None) -> int:
        """Delete the events and check results of runs, but what Dagster believes; their number."""
        events, checks = SqlEventLogStorageTable.c, AssetCheckExecutionsTable.c
        going = self._ids(events.id, events.run_id, run_ids, events.timestamp, before) - beliefs.events
        results = self._ids(checks.id, checks.run_id, run_ids, checks.create_timestamp, before) - beliefs.checks
        for ids in _chunks(going):
            self._delete_rows((AssetEventTagsTable.c.event_id, ids), (events.id, ids))
        for ids in _chunks(results):
            self._delete_rows((checks.id, ids))
        return len(going) + len(results)

    def _ids(
        self, ids: sa.Column, run_id: sa.Column, run_ids: Iterable[str], at: sa.Column, before: datetime | None
    ) -> set[int]:
        found: set[int] = set()
        for chunk in _chunks(run_ids):
            query = sa.select(ids).where(run_id.in_(chunk))
            if before:
                query = query.where(at < before.replace(tzinfo=None))
            with self._events.index_connection() as connection:
                found.update(connection.execute(query).scalars())
        return found

    def _delete_rows(self, *matches: tuple[sa.Column, list[int]]) -> None:
        def delete() -> None:
            with self._events.index_transaction() as connection:
                for column, values in matches:
                    connection.execute(sa.delete(column.table).where(column.in_(values)))

        persistently(delete)

    def delete_ticks(self, before: datetime) -> None:
        """Delete old ticks, but each schedule's and sensor's last: the daemon goes on from it."""
        for state in self._instance.all_instigator_state():
            last = self._schedules.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            limit = min([before.timestamp(), *(tick.timestamp for tick in last)])
            persistently(
                partial(self._schedules.purge_ticks, state.instigator_origin_id, state.selector_id, before=limit)
            )
        if self._schedules.supports_auto_materialize_asset_evaluations:
            persistently(partial(self._schedules.purge_asset_evaluations, before.timestamp()))

    def delete_unused_snapshots(self) -> int:
        """Delete the job and plan snapshots that no run is of; their number."""
        ids = SnapshotsTable.c.snapshot_id
        with self._runs.connect() as connection:
            stored = set(connection.execute(sa.select(ids)).scalars())
        deleted: list[dict[str, Any]] = []
        for unused in _chunks(stored - self._used_snapshots()):
            with self._runs.connect() as connection:
                rows = connection.execute(sa.select(SnapshotsTable).where(ids.in_(unused))).mappings()
                deleted += [dict(row) for row in rows]
            persistently(partial(self._delete_snapshots, unused))
        if deleted:
            time.sleep(_CREATION_SECONDS)
            used = self._used_snapshots()
            again = [row for row in deleted if row["snapshot_id"] in used]
            for row in again:
                persistently(partial(self._put_back, row))
            return len(deleted) - len(again)
        return 0

    def _used_snapshots(self) -> set[str]:
        runs = self._instance.get_runs()
        jobs = {run.job_snapshot_id for run in runs if run.job_snapshot_id}
        plans = {run.execution_plan_snapshot_id for run in runs if run.execution_plan_snapshot_id}
        # a job of some ops was cut from another, and Dagster reads both
        lineages = [
            self._runs.get_job_snapshot(job).lineage_snapshot for job in jobs if self._runs.has_job_snapshot(job)
        ]
        return jobs | plans | {lineage.parent_snapshot_id for lineage in lineages if lineage}

    def _delete_snapshots(self, snapshot_ids: list[str]) -> None:
        ids = SnapshotsTable.c.snapshot_id
        is_used = sa.exists().where(RunsTable.c.snapshot_id == ids)
        with self._runs.connect() as connection:
            connection.execute(sa.delete(SnapshotsTable).where(ids.in_(snapshot_ids), ~is_used))

    def _put_back(self, row: dict[str, Any]) -> None:
        # or it was created afresh meanwhile
        with suppress(IntegrityError), self._runs.connect() as connection:
            connection.execute(sa.insert(SnapshotsTable).values(**row))

    def delete_run(self, run_id: str) -> None:
        """Delete the record of a run, the last that is left of it."""
        persistently(partial(self._runs.delete_run, run_id))


def _count(growing: _Growing, since: datetime) -> sa.Select:
    if growing.at is None:
        return sa.select(sa.func.count(), sa.literal(0)).select_from(growing.table)
    is_new = sa.case((growing.at >= since.replace(tzinfo=None), 1), else_=0)
    return sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(is_new), 0)).select_from(growing.table)


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    ordered = sorted(values)
    for start in range(0, len(ordered), _ROWS_AT_ONCE):
        yield ordered[start : start + _ROWS_AT_ONCE]
