"""What Dagster's run storage knows of refreshes: which days are being built, and which were tried in vain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from ab_pipeline.automation.plan import DueDay, Failures, Refresh
from ab_pipeline.worker import WAREHOUSE_TAG

DIGESTS_TAG = "ab_pipeline/digests"
REFRESH_TAG = "ab_pipeline/refresh"
_REMEMBERED = timedelta(days=2)


def refresh_tags(refresh: Refresh, database: str) -> dict[str, str]:
    """The tags of a run that builds the days of a refresh, and that tell later which events it was asked for, where."""
    return {
        WAREHOUSE_TAG: database,
        ASSET_PARTITION_RANGE_START_TAG: refresh.first.isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: refresh.last.isoformat(),
        DIGESTS_TAG: refresh.digests,
        REFRESH_TAG: refresh.run_key,
    }


def unused_run_key(instance: DagsterInstance, refresh: Refresh) -> str:
    """The run key of a refresh, and the newest run for the same that has ended, whatever came of it.

    Dagster never runs a key again. Yet a day may need the same run twice: its events can vanish before the first and
    come back after it, and failures are forgotten after two days.
    """
    ended = instance.get_runs(RunsFilter(tags={REFRESH_TAG: refresh.run_key}, statuses=FINISHED_STATUSES), limit=1)
    return ":".join([refresh.run_key, *(run.run_id[:8] for run in ended)])


def days_in_flight(instance: DagsterInstance) -> dict[date, str]:
    """Every day that a queued or going run will build, whoever asked for it, and the run."""
    runs = instance.get_runs(RunsFilter(statuses=list(NOT_FINISHED_STATUSES)))
    return {day: f"run {run.run_id[:8]}" for run in runs for day in days_of(run)}


def other_databases(instance: DagsterInstance, database: str) -> list[str]:
    """The names of the others that runs of this DAGSTER_HOME have built."""
    tags = dict(instance.get_run_tags([WAREHOUSE_TAG])).get(WAREHOUSE_TAG, set())
    return sorted({tag.rpartition(" #")[0] for tag in tags - {database}})


def failures_of_due_days(instance: DagsterInstance, now: datetime, database: str) -> dict[DueDay, Failures]:
    """How often each day of a database failed with the events it was requested for, within two days."""
    return failures_by_database(instance, now).get(database, {})


def failures_by_database(instance: DagsterInstance, now: datetime) -> dict[str, dict[DueDay, Failures]]:
    """The same of every database that runs were asked for."""
    records = instance.get_run_records(
        RunsFilter(statuses=[DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED], updated_after=now - _REMEMBERED)
    )
    found: dict[str, dict[DueDay, Failures]] = {}
    for record in records:
        failures = found.setdefault(record.dagster_run.tags.get(WAREHOUSE_TAG, ""), {})
        digests = record.dagster_run.tags.get(DIGESTS_TAG, "").split(",")
        ended = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp
        for due in map(DueDay, days_of(record.dagster_run), digests):
            before = failures.get(due, Failures(0, ended))
            failures[due] = Failures(before.count + 1, max(before.last_at, ended))
    return found


def days_of(run: DagsterRun) -> Iterator[date]:
    """The days that a run is for, none if it is for no days."""
    first = run.tags.get(ASSET_PARTITION_RANGE_START_TAG) or run.tags.get(PARTITION_NAME_TAG)
    last = run.tags.get(ASSET_PARTITION_RANGE_END_TAG) or first
    if first is None or last is None:
        return
    for ordinal in range(date.fromisoformat(first).toordinal(), date.fromisoformat(last).toordinal() + 1):
        yield date.fromordinal(ordinal)
