"""A read-out in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rich.markup import escape
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from ab_pipeline.commands.terminal import console, show
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


def print_readout(report: Report, *, verbose: bool = False) -> None:
    """Verdict, reasons, gates, the rows of all users, and the primary metrics by segment."""
    readout, out = report.readout, console()
    name = escape(f"{report.experiment.name}, as of {readout.as_of}")
    out.print(f"{name}: [bold {_COLOURS[readout.verdict]}]{escape(report.headline)}[/]")
    for reason in (*readout.reasons, *report.notices):
        out.print(Padding(Text(reason), (0, 0, 0, 2)) if out.is_terminal else f"  {escape(reason)}")
    gates = Table("gate", "", "p", "detail", title="Gates", title_justify="left")
    for gate in readout.gates:
        status = f"[{_STATUS_COLOURS[gate.status]}]{words.STATUSES[gate.status]}[/]"
        gates.add_row(words.GATES[gate.name], status, wording.p_value(gate.p_value), escape(gate.detail))
    show(gates, fold=("detail",), spare=("p",), verbose=verbose)
    tables = Tables(report.experiment, report.metrics, readout)
    everybody = [(words.METHODS[row.method], row) for row in tables.methods_of_all_users()]
    _show_results("All users", "means are", everybody, tables, verbose=verbose)
    groups = list(_groups(tables.segments()))
    if groups:
        _show_results("Segments", "segment", groups, tables, verbose=verbose)


def _groups(segments: Iterable[SegmentTable]) -> Iterator[tuple[str, MetricResult]]:
    """Each group of a dimension, then whether they differ."""
    for segment in segments:
        yield from ((row.result.segment, row.result) for row in segment.effects.rows)
        if segment.interaction:
            yield f"{segment.name}: do they differ?", segment.interaction


def _show_results(
    title: str, third: str, rows: Iterable[tuple[str, MetricResult]], tables: Tables, *, verbose: bool
) -> None:
    only_one = ("variant",) if len(tables.experiment.treatments) == 1 else ()
    show(
        _results(title, third, rows, tables.by_id),
        fold=("metric", "variant", third, "95 % interval"),
        spare=("users", *only_one, "p", "control", "treatment"),
        verbose=verbose,
    )


def _results(title: str, third: str, rows: Iterable[tuple[str, MetricResult]], metrics: Mapping[str, Metric]) -> Table:
    right = ("users", "control", "treatment", "effect", "95 % interval", "p", "p adjusted")
    columns = [Column(name, justify="right") for name in right]
    table = Table("metric", "variant", third, *columns, title=title, title_justify="left")
    for label, row in rows:
        levels = wording.levels((row.mean_control, row.mean_treatment), metrics[row.metric_id])
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
