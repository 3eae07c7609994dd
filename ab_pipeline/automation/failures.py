"""What failed in a run: its failed assets and asset checks, read off Dagster's events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from dagster import AssetCheckEvaluation, AssetCheckSeverity, AssetKey, DagsterEvent, DagsterEventType, DagsterRun
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster_shared.error import SerializableErrorInfo

from ab_pipeline.automation.alert import Alert
from ab_pipeline.automation.runs import days_of
from ab_pipeline.dbt.error_text import NodeError, node_errors, without_ansi

EVENT_TYPES = {
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_CHECK_EVALUATION,
    DagsterEventType.STEP_FAILURE,
    DagsterEventType.RUN_FAILURE,
}


def run_alerts(run: DagsterRun, events: Sequence[DagsterEvent], graph: AssetGraph) -> list[Alert]:
    """An alert a dbt node or step that failed. Failed checks are left to `check_alerts`."""
    checks = {check.check_name for check in _failed_checks(events)}
    alerts: list[Alert] = []
    steps = [event for event in events if event.event_type == DagsterEventType.STEP_FAILURE]
    for event in steps:
        # what was not built is what failed, unless the error names it
        unbuilt = _unbuilt(events, event.step_key)
        nodes = _node_errors(event)
        for node in nodes:
            if node.resource != "test" or node.name not in checks:
                keys = [key for key in unbuilt if key.path[-1] == node.name] or unbuilt
                alerts.append(_run_alert(run, keys, node.lines, graph))
        if not nodes:
            cause = root_cause(event.step_failure_data.error)
            alerts.append(_run_alert(run, unbuilt, cause or (event.message or "",), graph))
    if not steps:
        # the run's process never started, or was killed
        message = next((e.message for e in events if e.event_type == DagsterEventType.RUN_FAILURE and e.message), "")
        alerts.append(_run_alert(run, _unbuilt(events, None), tuple(message.splitlines()), graph))
    return alerts


def check_alerts(
    run: DagsterRun, events: Sequence[DagsterEvent], graph: AssetGraph, least: AssetCheckSeverity
) -> list[Alert]:
    """An alert a check that failed with the least severity to be told, or above."""
    steps = [event for event in events if event.event_type == DagsterEventType.STEP_FAILURE]
    errors = chain.from_iterable(map(_node_errors, steps))
    error_of = {node.name: node.lines for node in errors if node.resource == "test"}
    return [
        Alert(
            run_id=run.run_id,
            job=run.job_name,
            subjects=(f"{check.asset_key.to_user_string()}: {check.check_name}",),
            severity=check.severity.value,
            owners=_owners([check.asset_key], graph),
            days=_days(run),
            error=error_of.get(check.check_name) or tuple((check.description or "").splitlines()),
            failing_rows=_failing_rows(check),
        )
        for check in _failed_checks(events)
        if check.severity == AssetCheckSeverity.ERROR or least == AssetCheckSeverity.WARN
    ]


def _run_alert(run: DagsterRun, keys: Sequence[AssetKey], error: tuple[str, ...], graph: AssetGraph) -> Alert:
    subjects = tuple(sorted(key.to_user_string() for key in keys)) or (f"job {run.job_name}",)
    return Alert(run.run_id, run.job_name, subjects, "ERROR", _owners(keys, graph), _days(run), error)


def _failed_checks(events: Iterable[DagsterEvent]) -> Iterator[AssetCheckEvaluation]:
    for event in events:
        if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed:
                yield evaluation


def _unbuilt(events: Iterable[DagsterEvent], step_key: str | None) -> list[AssetKey]:
    """The assets that the step, or any, was to build and did not."""
    planned: dict[AssetKey, None] = {}
    built: set[AssetKey] = set()
    for event in events:
        key = event.asset_key
        if key and event.event_type == DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
            if step_key in (None, event.step_key):
                planned[key] = None
        elif key and event.event_type == DagsterEventType.ASSET_MATERIALIZATION:
            built.add(key)
    return [key for key in planned if key not in built]


def _node_errors(event: DagsterEvent) -> list[NodeError]:
    error = event.step_failure_data.error
    return node_errors(error.message) if error else []


def root_cause(error: SerializableErrorInfo | None) -> tuple[str, ...]:
    """The lines of the exception that was raised first: Dagster wraps it in its own."""
    while error and error.cause:
        error = error.cause
    lines = without_ansi(error.message).splitlines() if error else []
    return tuple(line for line in lines if line.strip())


def _failing_rows(check: AssetCheckEvaluation) -> int | None:
    count = check.metadata.get("dagster_dbt/failed_row_count")
    return count.value if count and isinstance(count.value, int) else None


def _owners(keys: Iterable[AssetKey], graph: AssetGraph) -> tuple[str, ...]:
    return tuple(sorted({owner for key in keys if graph.has(key) for owner in graph.get(key).owners}))


def _days(run: DagsterRun) -> str:
    first, *others = [str(day) for day in days_of(run)] or [""]
    return f"{first} to {others[-1]}" if others else first
