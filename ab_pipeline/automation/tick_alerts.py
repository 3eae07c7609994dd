"""Sensors and schedules whose ticks fail: nobody who only looks at runs would ever hear of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile

from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorTick, TickStatus

from ab_pipeline.automation.alert import Alert
from ab_pipeline.automation.alerts import AlertDesk
from ab_pipeline.automation.channels import Deliver
from ab_pipeline.automation.failures import root_cause
from ab_pipeline.automation.sentences import BUSY, utc
from ab_pipeline.settings import Settings

TICK_FAILURES = "tick_failure_alerts"
_PATIENCE = timedelta(minutes=10)
_ENDED = [TickStatus.FAILURE, TickStatus.SUCCESS, TickStatus.SKIPPED]
# at a tick every four seconds, half an hour: longer than the patience
_LOOKED_AT = 450


def tick_alert_sensor(settings: Settings, channel: Deliver | None = None) -> SensorDefinition:
    """Reports what has not had one good tick for ten minutes, once an outage."""

    @sensor(
        name=TICK_FAILURES,
        description="Reports sensors and schedules whose ticks have failed for ten minutes.",
        minimum_interval_seconds=30,
        default_status=DefaultSensorStatus.RUNNING,
    )
    def alerts(context: SensorEvaluationContext) -> SensorResult:
        now = datetime.now(UTC)
        desk = AlertDesk.of(settings, context, channel)
        return SensorResult(skip_reason=desk.report(failing_ticks(context.instance, now), now))

    return alerts


def failing_ticks(instance: DagsterInstance, now: datetime) -> list[Alert]:
    """An alert for each sensor and schedule whose newest tick failed, after ten minutes without a good one.

    A tick that was skipped since somebody had the warehouse is no good one. What is stopped is left alone.
    """
    running = [state for state in instance.all_instigator_state() if state.status != InstigatorStatus.STOPPED]
    return [alert for state in running if (alert := _alert(instance, state, now))]


def _alert(instance: DagsterInstance, state: InstigatorState, now: datetime) -> Alert | None:
    def ticks(limit: int) -> list[InstigatorTick]:
        return list(instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=limit, statuses=_ENDED))

    if not any(tick.status == TickStatus.FAILURE for tick in ticks(1)):
        return None
    outage = list(takewhile(_is_bad, ticks(_LOOKED_AT)))
    newest, since = outage[0], datetime.fromtimestamp(outage[-1].timestamp, UTC)
    if now - since < _PATIENCE:
        return None
    name = f"{state.instigator_type.value.lower()} {state.instigator_name}"
    started = utc(since)
    return Alert(
        run_id=f"{name} {started}",
        job="",
        subjects=(name,),
        severity="ERROR",
        owners=(),
        days="",
        error=root_cause(newest.error),
        since=started,
    )


def _is_bad(tick: InstigatorTick) -> bool:
    return tick.status == TickStatus.FAILURE or bool(tick.skip_reason and tick.skip_reason.startswith(BUSY))
