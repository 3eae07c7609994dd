"""What Dagster believes, as the rows it reads it from: the events, check results and runs that must stay.

Dagster asks for the newest event of an asset, a partition or a check, so the newest stay. And the newest before the
cutoff: a sensor may ask what an asset was like before something it has just seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy as sa
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.run_status_sensor_definition import RunStatusSensorCursor
from dagster._core.events import EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.tags import BACKFILL_ID_TAG

from ab_pipeline.automation.alerts import ALERT_SENSORS, first_unreported

_EVENTS = SqlEventLogStorageTable.c
_TAGS = AssetEventTagsTable.c
_CHECKS = AssetCheckExecutionsTable.c
_BELIEVED = [
    DagsterEventType.ASSET_MATERIALIZATION.value,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
    DagsterEventType.ASSET_OBSERVATION.value,
]
_RUN_STATUS_CHANGES = [event_type.value for event_type in EVENT_TYPE_TO_PIPELINE_RUN_STATUS]
_GOING_BACKFILLS = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]
_RETRY_CURSORS = [
    f"EVENT_LOG_CONSUMER_CURSOR-{event_type.value}"
    for event_type in (DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE)
]


@dataclass(frozen=True)
class Beliefs:
    """What stays, whatever a policy says."""

    events: frozenset[int]
    """Ids of rows of `event_logs`: on SQLite those of the index."""
    checks: frozenset[int]
    """Ids of rows of `asset_check_executions`."""
    runs: Mapping[str, str]
    """Run ids, each with the reason."""


def read_beliefs(instance: DagsterInstance, cutoff: datetime) -> Beliefs:
    """What Dagster believes now, and what it believed at the cutoff.

    Ids are of rows that were there at the cutoff, or are of runs that no plan removes. So they stay right while
    Dagster works.
    """
    before = cutoff.replace(tzinfo=None)
    return Beliefs(
        events=frozenset(_scalars(instance, _believed_events(before))) - {None},
        checks=frozenset(_scalars(instance, _believed_checks(before))) - {None},
        # the reason that comes last is the one that is shown
        runs={run_id: reason for runs in _needed_runs(instance) for run_id, reason in runs.items()},
    )


def _scalars(instance: DagsterInstance, query: sa.Select | sa.CompoundSelect) -> list[Any]:
    # a connection must not be kept while Dagster is asked something: its SQLite storage has one at a time
    with cast("SqlEventLogStorage", instance.event_log_storage).index_connection() as connection:
        return list(connection.execute(query).scalars())


def _believed_events(before: datetime) -> sa.CompoundSelect:
    newest = (
        sa.select(sa.func.max(_EVENTS.id))
        .where(_EVENTS.asset_key.is_not(None), _EVENTS.dagster_event_type.in_(_BELIEVED))
        .group_by(_EVENTS.asset_key, _EVENTS.dagster_event_type, _EVENTS.partition)
    )
    # a partition's data version is read from its newest event that has one
    newest_version = (
        sa.select(sa.func.max(_TAGS.event_id))
        .select_from(AssetEventTagsTable.join(SqlEventLogStorageTable, _EVENTS.id == _TAGS.event_id))
        .where(_TAGS.key == DATA_VERSION_TAG)
        .group_by(_TAGS.asset_key, _EVENTS.dagster_event_type, _EVENTS.partition)
    )
    return sa.union(
        newest,
        newest.where(_EVENTS.timestamp < before),
        newest_version,
        newest_version.where(_EVENTS.timestamp < before),
        # SQLite gives the highest id again if its row is gone, and cursors are ids
        sa.select(sa.func.max(_EVENTS.id)),
    )


def _believed_checks(before: datetime) -> sa.CompoundSelect:
    newest = sa.select(sa.func.max(_CHECKS.id)).group_by(_CHECKS.asset_key, _CHECKS.check_name, _CHECKS.partition)
    done = [AssetCheckExecutionRecordStatus.SUCCEEDED.value, AssetCheckExecutionRecordStatus.FAILED.value]
    kinds = [newest, newest.where(_CHECKS.execution_status.in_(done))]
    # Dagster passes over rows without an id of their event, which old versions wrote
    kinds.append(newest.where(_CHECKS.evaluation_event_storage_id.is_not(None)))
    return sa.union(*kinds, *(kind.where(_CHECKS.create_timestamp < before) for kind in kinds))


def _needed_runs(instance: DagsterInstance) -> Iterator[dict[str, str]]:
    yield dict.fromkeys(_runs_of_latest_events(instance), "an asset's newest")
    yield dict.fromkeys(_failed_attempts(instance), "a partition's or check's last attempt, which failed")
    yield dict.fromkeys(_runs_of_going_backfills(instance), "of a backfill that is going on")
    for sensor, cursor in _cursors(instance):
        yield dict.fromkeys(_runs_ahead(instance, cursor), f"ahead of the cursor of {sensor}")


def _runs_of_latest_events(instance: DagsterInstance) -> Iterator[str]:
    """The last run of each asset, and that of its newest materialization: its health is read from them."""
    for record in instance.get_asset_records():
        if record.asset_entry.last_run_id:
            yield record.asset_entry.last_run_id
        if record.asset_entry.last_materialization:
            yield record.asset_entry.last_materialization.run_id


def _failed_attempts(instance: DagsterInstance) -> Iterator[str]:
    """Runs that make a partition or a check count as failed: without its run it counts as never tried."""
    storage = cast("SqlEventLogStorage", instance.event_log_storage)
    for asset_key in instance.all_asset_keys():
        attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations(asset_key)
        yield from (run_id for run_id, _ in attempts.values())
    newest = sa.select(sa.func.max(_CHECKS.id)).group_by(_CHECKS.asset_key, _CHECKS.check_name, _CHECKS.partition)
    never_done = _CHECKS.execution_status == AssetCheckExecutionRecordStatus.PLANNED.value
    # of a run that did not fail Dagster says `skipped`, with its record as without; a check that knows no partitions
    # is planned for one in each of them
    failed = set(instance.get_run_ids(RunsFilter(statuses=[DagsterRunStatus.FAILURE])))
    yield from failed.intersection(
        _scalars(instance, sa.select(_CHECKS.run_id).where(_CHECKS.id.in_(newest), never_done))
    )


def _runs_of_going_backfills(instance: DagsterInstance) -> Iterator[str]:
    for status in _GOING_BACKFILLS:
        for backfill in instance.run_storage.get_backfills(status=status):
            yield from instance.get_run_ids(RunsFilter(tags={BACKFILL_ID_TAG: backfill.backfill_id}))


def _cursors(instance: DagsterInstance) -> Iterator[tuple[str, int | datetime]]:
    """Whoever handles runs one after the other: its name, and how far it came: an event, or a time."""
    for state in instance.all_instigator_state():
        data = state.instigator_data
        cursor = getattr(data, "cursor", None)
        if not cursor:
            continue
        if state.instigator_name in ALERT_SENSORS:
            yield state.instigator_name, first_unreported(cursor)
        elif RunStatusSensorCursor.is_valid(cursor):
            read = RunStatusSensorCursor.from_json(cursor)
            # cursors of old versions on SQLite are times
            at = datetime.fromisoformat(read.update_timestamp) if read.update_timestamp else None
            yield state.instigator_name, at or read.record_id
    retries = instance.daemon_cursor_storage.get_cursor_values(set(_RETRY_CURSORS))
    yield from (("run retries", int(event_id)) for event_id in retries.values())


def _runs_ahead(instance: DagsterInstance, cursor: int | datetime) -> Iterator[str]:
    if isinstance(cursor, datetime):
        after = cursor if cursor.tzinfo else cursor.replace(tzinfo=UTC)
        yield from instance.get_run_ids(RunsFilter(updated_after=after, statuses=FINISHED_STATUSES))
        return
    is_ahead = sa.and_(_EVENTS.id > cursor, _EVENTS.dagster_event_type.in_(_RUN_STATUS_CHANGES))
    yield from _scalars(instance, sa.select(_EVENTS.run_id).where(is_ahead).distinct())
