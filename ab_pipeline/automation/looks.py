"""What looks at raw data of itself: the sensor, every few seconds, and the sweep, every night."""

import datetime as dt

from dagster import (
    DefaultSensorStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    schedule,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ab_pipeline.automation.raw_changes import RAW_CHANGES, RawChanges
from ab_pipeline.automation.schedules import LATE_DATA_SWEEP, default_status
from ab_pipeline.automation.sentences import BUSY
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import WarehouseLockedError
from ab_pipeline.warm_runs.launcher import keep_warm


def raw_changes_sensor(changes: RawChanges, job: UnresolvedAssetJobDefinition, every_seconds: int) -> SensorDefinition:
    """Looks every so often; what it finds is refreshed at once. A warehouse that it cannot see is a failed tick."""

    @sensor(
        name=RAW_CHANGES,
        job=job,
        minimum_interval_seconds=every_seconds,
        default_status=DefaultSensorStatus.RUNNING,
        description="Requests runs for the days and users whose raw rows are not those their tables were built from.",
    )
    def raw_changes(context: SensorEvaluationContext) -> SensorResult:
        keep_warm(context.instance)
        seen = changes.look(context.instance, context.cursor, dt.datetime.now(dt.UTC))
        if seen.requests:
            # a tick that requests runs shows no reason
            context.log.info(seen.said)
        return seen.result

    return raw_changes


def late_data_sweep_schedule(
    changes: RawChanges, job: UnresolvedAssetJobDefinition, settings: Settings
) -> ScheduleDefinition:
    """Compares every day, every night: the net below the sensor, which may have left days out."""

    @schedule(
        name=LATE_DATA_SWEEP,
        job=job,
        cron_schedule="30 4 * * *",
        execution_timezone=settings.timezone,
        default_status=default_status(LATE_DATA_SWEEP, settings.target),
        description="Compares every day with what it was built from, whatever the sensor has compared.",
    )
    def late_data_sweep(context: ScheduleEvaluationContext) -> list[RunRequest] | SkipReason:
        try:
            decision = changes.sweep(context.instance, dt.datetime.now(dt.UTC))
        except WarehouseLockedError as error:
            return SkipReason(f"{BUSY}: {error}")
        if decision.requests:
            context.log.info(decision.reason)
        return decision.requests or SkipReason(decision.reason)

    return late_data_sweep
