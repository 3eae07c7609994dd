"""What the clock starts. What changed rows start is in `looks.py`, and so is the late-data sweep."""

import datetime as dt
from collections.abc import Callable, Mapping

from dagster import (
    DefaultScheduleStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from ab_pipeline.automation.turns import Turns
from ab_pipeline.settings import Settings

DAILY_REFRESH = "daily_refresh"
FRESHNESS = "hourly_freshness"
LATE_DATA_SWEEP = "late_data_sweep"
SNAPSHOTS = "nightly_snapshots"
TABLE_UPKEEP = "table_upkeep"
CLEANUP = "nightly_cleanup"
NIGHTLY_BACKUP = "nightly_backup"

# On a laptop the data is of whenever it was made: yesterday is empty and everything is stale. The sweep is about
# what changed, and changes are the laptop's as well; and its disk fills like any other.
_RUNNING: Mapping[str, frozenset[str]] = {
    "local": frozenset({CLEANUP, LATE_DATA_SWEEP}),
    "redshift": frozenset({CLEANUP, DAILY_REFRESH, FRESHNESS, LATE_DATA_SWEEP, SNAPSHOTS, TABLE_UPKEEP}),
}


def default_status(name: str, target: str) -> DefaultScheduleStatus:
    """Whether a schedule runs unless somebody switches it in the UI.

    Raises:
        ValueError: nobody has decided it for this target.
    """
    if target not in _RUNNING:
        raise ValueError(f"which schedules run by default on target {target}? Say so in {__name__}")
    return DefaultScheduleStatus.RUNNING if name in _RUNNING[target] else DefaultScheduleStatus.STOPPED


def schedules(
    settings: Settings,
    *,
    refresh: UnresolvedAssetJobDefinition,
    snapshots: UnresolvedAssetJobDefinition,
    freshness: UnresolvedAssetJobDefinition,
    turns: Turns,
    identify: Callable[[], object],
) -> list[ScheduleDefinition]:
    """Every schedule but the sweep, in the configured time zone. `identify` tells which database is refreshed.

    Nowhere does a change of the clocks skip or repeat a time from 04:00 to 21:00. 02:30, or in Athens 03:30, would
    come twice on one day of the year and on another not at all.
    """
    return [
        ScheduleDefinition(
            name=SNAPSHOTS,
            job=snapshots,
            cron_schedule="15 4 * * *",
            execution_timezone=settings.timezone,
            default_status=default_status(SNAPSHOTS, settings.target),
            description="Notes the dimensions of every night in their history, whether raw rows changed or not.",
        ),
        _daily_refresh(settings, refresh, turns, identify),
        _hourly_freshness(settings, freshness),
    ]


def _daily_refresh(
    settings: Settings, job: UnresolvedAssetJobDefinition, turns: Turns, identify: Callable[[], object]
) -> ScheduleDefinition:
    @schedule(
        name=DAILY_REFRESH,
        job=job,
        cron_schedule="0 4 * * *",
        execution_timezone=settings.timezone,
        default_status=default_status(DAILY_REFRESH, settings.target),
        description="Refreshes yesterday.",
    )
    def daily_refresh(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        # Dagster gives the time in the schedule's own zone
        yesterday = context.scheduled_execution_time.date() - dt.timedelta(days=1)
        if yesterday < settings.start_date:
            return SkipReason(f"{yesterday} is before AB_PIPELINE_START_DATE={settings.start_date}")
        with turns.take(DAILY_REFRESH, context.instance, dt.datetime.now(dt.UTC), identify) as turn:
            if yesterday in turn.taken:
                return SkipReason(f"{yesterday} is being refreshed by {turn.taken[yesterday]}")
            turn.request([yesterday])
        return RunRequest(partition_key=yesterday.isoformat())

    return daily_refresh


def _hourly_freshness(settings: Settings, job: UnresolvedAssetJobDefinition) -> ScheduleDefinition:
    @schedule(
        name=FRESHNESS,
        job=job,
        cron_schedule="45 * * * *",
        execution_timezone=settings.timezone,
        default_status=default_status(FRESHNESS, settings.target),
        description="Checks that yesterday is built and that raw rows arrive.",
    )
    def hourly_freshness(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        # behind a long backfill one waiting check is enough
        unfinished = RunsFilter(job_name=job.name, statuses=list(NOT_FINISHED_STATUSES))
        if context.instance.get_runs_count(unfinished):
            return SkipReason("the last one has not finished")
        return RunRequest()

    return hourly_freshness
