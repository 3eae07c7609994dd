"""Failure alerts: the sensors, which report what failed to Slack or to the log, and always to the alerts file.

They are plain sensors, not run-status sensors: those start after the newest run when their cursor is lost, and count a
run as handled when handling it failed, so that an alert could be lost. Here the cursor only saves work.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from dagster import (
    AssetCheckSeverity,
    DagsterEvent,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from ab_pipeline.automation.alert import QUIET, Alert, Outcome, Record, decide
from ab_pipeline.automation.alert_file import AlertFile
from ab_pipeline.automation.channels import Deliver, channels, together
from ab_pipeline.automation.failures import EVENT_TYPES, check_alerts, run_alerts
from ab_pipeline.automation.slack import DeliveryError
from ab_pipeline.settings import Settings

# a run's end is stamped before it is committed: another may show up later with an earlier time
_OVERLAP = timedelta(minutes=1)
# a tick that takes longer than a minute is cancelled
_TICK_SECONDS = 30

_RUN_FAILURES = "run_failure_alerts"
_CHECK_FAILURES = "check_failure_alerts"
ALERT_SENSORS = frozenset({_RUN_FAILURES, _CHECK_FAILURES})

AlertsOf = Callable[[DagsterRun, Sequence[DagsterEvent], AssetGraph], list[Alert]]


def alert_sensors(settings: Settings, channel: Deliver | None = None) -> list[SensorDefinition]:
    """One sensor for failed runs, one for failed asset checks; to `channel` instead of the configured one if given."""
    least = AssetCheckSeverity(settings.alert_severity)

    def alert_sensor(
        name: str, description: str, ends: list[DagsterRunStatus], alerts_of: AlertsOf
    ) -> SensorDefinition:
        @sensor(
            name=name,
            description=description,
            minimum_interval_seconds=30,
            default_status=DefaultSensorStatus.RUNNING,
        )
        def alerts(context: SensorEvaluationContext) -> SensorResult:
            desk = AlertDesk.of(settings, context, channel)
            return desk.tick(context.instance, context.cursor, ends, alerts_of, datetime.now(UTC))

        return alerts

    return [
        alert_sensor(_RUN_FAILURES, "Reports failed runs to their owners.", [DagsterRunStatus.FAILURE], run_alerts),
        alert_sensor(
            _CHECK_FAILURES,
            "Reports failed asset checks to the owners of the assets.",
            [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED],
            lambda run, events, graph: check_alerts(run, events, graph, least),
        ),
    ]


def first_unreported(cursor: str) -> datetime:
    """The time since when ended runs are not reported for certain, by the cursor of one of the sensors."""
    return datetime.fromisoformat(cursor) - _OVERLAP


@dataclass(frozen=True)
class AlertDesk:
    """One tick of a sensor: the runs that ended since the last, and the alerts of each."""

    file: AlertFile
    deliver: Deliver
    log: Deliver
    dagster_url: str
    graph: AssetGraph

    @classmethod
    def of(cls, settings: Settings, context: SensorEvaluationContext, channel: Deliver | None = None) -> Self:
        """With the configured channels, unless another is given; with the log where there is none."""
        assert context.repository_def
        return cls(
            file=AlertFile(settings.alerts_path),
            deliver=channel or together(channels(settings)) or context.log.error,
            log=context.log.error,
            dagster_url=settings.dagster_url,
            graph=context.repository_def.asset_graph,
        )

    def report(self, alerts: Sequence[Alert], now: datetime) -> str:
        """Report what is the case now; what came of it."""
        history = self.file.records()
        sent, problem = 0, ""
        for alert in alerts:
            written, problem = self._report(alert, history, now, problem)
            sent += bool(written and written.outcome == Outcome.SENT)
        return _outcome(sent, problem)

    def tick(
        self,
        instance: DagsterInstance,
        cursor: str | None,
        ends: list[DagsterRunStatus],
        alerts_of: AlertsOf,
        now: datetime,
    ) -> SensorResult:
        """Report the runs in the order they ended; the cursor stops before the first that could not be reported."""
        started = time.monotonic()
        reached = datetime.fromisoformat(cursor) if cursor else now - QUIET
        history = self.file.records()
        sent, problem = 0, ""
        records = instance.get_run_records(
            RunsFilter(statuses=ends, updated_after=reached - _OVERLAP), order_by="update_timestamp", ascending=True
        )
        for record in records:
            if time.monotonic() - started > _TICK_SECONDS:
                problem = problem or "more with the next tick"
                break
            entries = instance.all_logs(record.dagster_run.run_id, of_type=EVENT_TYPES)
            events = [entry.dagster_event for entry in entries if entry.dagster_event]
            for alert in alerts_of(record.dagster_run, events, self.graph):
                written, problem = self._report(alert, history, now, problem)
                sent += bool(written and written.outcome == Outcome.SENT)
            if not problem:
                reached = max(reached, record.update_timestamp)
        return SensorResult(
            skip_reason=_outcome(sent, problem),
            cursor=(reached if problem else max(reached, now)).isoformat(),
        )

    def _report(self, alert: Alert, history: list[Record], now: datetime, problem: str) -> tuple[Record | None, str]:
        """Deal with an alert; what was written to the file of it, and why alerts cannot be delivered, if so."""
        decision = decide(alert, history, now)
        if decision is None:
            return None, problem
        link = f"{self.dagster_url.rstrip('/')}/{alert.path}"
        if isinstance(decision, Outcome):
            return self._write(Record.of(alert, link, now, decision, 0), history), problem
        # while Slack is down every further try would cost the tick its time
        if not problem:
            try:
                self.deliver(alert.text(link, decision.held_back))
            except DeliveryError as error:
                problem = f"tried again with the next tick: {error}"
        if not problem:
            return self._write(Record.of(alert, link, now, Outcome.SENT, decision.held_back), history), problem
        if decision.is_noted:
            return None, problem
        # the file has it meanwhile
        return self._write(Record.of(alert, link, now, Outcome.UNDELIVERED, decision.held_back), history), problem

    def _write(self, record: Record, history: list[Record]) -> Record:
        try:
            self.file.append(record)
        except OSError as error:
            # what was sent is not sent again and again because it cannot be written down
            self.log(f"{self.file.path} cannot be written: {error}")
        history.append(record)
        return record


def _outcome(sent: int, problem: str) -> str:
    return f"{sent} alerts sent; {problem or 'nothing waits'}"
