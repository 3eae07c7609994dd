"""A read-out in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from ab_pipeline.experiments import words
from ab_pipeline.experiments.declaration import Metric
from ab_pipeline.experiments.report import wording
from ab_pipeline.experiments.report.page import Report
from ab_pipeline.experiments.report.tables import SegmentTable, Tables
from ab_pipeline.experiments.result import MetricResult, Status, Verdict

_COLOURS = {
    Verdict.SHIP: "green",
    Verdict.DO_NOT_SHIP: "red",
    Verdict.KEEP_RUNNING: "blue",
    Verdict.DO_NOT_DECIDE: "yellow",
}
_STATUS_COLOURS = {Status.FAIL: "bold red", Status.WARN: "yellow", Status.PASS: "green", Status.SKIPPED: "dim"}


def print_readout(console: Console, report: Report) -> None:
    """Verdict, reasons, gates, the rows of all users, and the primary metrics by segment."""
    readout = report.readout
    name = escape(f"{report.experiment.name}, as of {readout.as_of}")
    console.print(f"{name}: [bold {_COLOURS[readout.verdict]}]{escape(report.headline)}[/]")
    for reason in readout.reasons:
        console.print(f"  {escape(reason)}")
    gates = Table("gate", "", "p", "detail", title="Gates", title_justify="left")
    for gate in readout.gates:
        status = f"[{_STATUS_COLOURS[gate.status]}]{words.STATUSES[gate.status]}[/]"
        gates.add_row(words.GATES[gate.name], status, wording.p_value(gate.p_value), escape(gate.detail))
    console.print(gates)
    tables = Tables(report.experiment, report.metrics, readout)
    everybody = [(words.METHODS[row.method], row) for row in tables.methods_of_all_users()]
    console.print(_results("All users", "means are", everybody, tables.by_id))
    groups = list(_groups(tables.segments()))
    if groups:
        console.print(_results("Segments", "segment", groups, tables.by_id))


def _groups(segments: Iterable[SegmentTable]) -> Iterator[tuple[str, MetricResult]]:
    """Each group of a dimension, then whether they differ."""
    for segment in segments:
        yield from ((row.result.segment, row.result) for row in segment.effects.rows)
        if segment.interaction:
            yield f"{segment.name}: do they differ?", segment.interaction


def _results(title: str, third: str, rows: Iterable[tuple[str, MetricResult]], metrics: Mapping[str, Metric]) -> Table:
    right = ("users", "control", "treatment", "effect", "95 % interval", "p", "p adjusted")
    columns = [Column(name, justify="right") for name in right]
    table = Table("metric", "variant", third, *columns, title=title, title_justify="left")
    for label, row in rows:
        levels = [wording.level(mean, metrics[row.metric_id]) for mean in (row.mean_control, row.mean_treatment)]
        shown, effects = wording.change, (row.relative_effect, row.relative_ci_low, row.relative_ci_high)
        if row.relative_effect is None:
            shown, effects = wording.number, (row.absolute_effect, row.absolute_ci_low, row.absolute_ci_high)
        effect, low, high = map(shown, effects)
        table.add_row(
            escape(row.metric_id),
            escape(row.variant_id),
            escape(label),
            f"{row.n_control:,} / {row.n_treatment:,}",
            *levels,
            effect,
            wording.MISSING if row.absolute_effect is None else f"{low} to {high}",
            wording.p_value(row.p_value),
            wording.p_value(row.p_value_adjusted),
        )
    return table
