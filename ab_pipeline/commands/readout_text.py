"""A read-out in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from ab_pipeline.experiments.moments import ALL_USERS
from ab_pipeline.experiments.report import methods, wording
from ab_pipeline.experiments.report.page import Report
from ab_pipeline.experiments.report.tables import Tables
from ab_pipeline.experiments.result import Status, Verdict

_COLOURS = {
    Verdict.SHIP: "green",
    Verdict.DO_NOT_SHIP: "red",
    Verdict.KEEP_RUNNING: "blue",
    Verdict.DO_NOT_DECIDE: "yellow",
}
_STATUS_COLOURS = {Status.FAIL: "bold red", Status.WARN: "yellow", Status.PASS: "green", Status.SKIPPED: "dim"}


def print_readout(console: Console, report: Report) -> None:
    """Verdict, reasons, gates, and the rows of all users."""
    readout = report.readout
    name = escape(f"{report.experiment.name}, as of {readout.as_of}")
    console.print(f"{name}: [bold {_COLOURS[readout.verdict]}]{escape(report.headline)}[/]")
    for reason in readout.reasons:
        console.print(f"  {escape(reason)}")
    gates = Table("gate", "", "p", "detail", title="Gates", title_justify="left")
    for gate in readout.gates:
        status = f"[{_STATUS_COLOURS[gate.status]}]{gate.status}[/]"
        gates.add_row(gate.name, status, wording.p_value(gate.p_value), escape(gate.detail))
    console.print(gates)
    console.print(_results(report))


def _results(report: Report) -> Table:
    right = ("users", "control", "treatment", "effect", "95 % interval", "p", "p adjusted")
    columns = [Column(name, justify="right") for name in right]
    table = Table("metric", "variant", "means are", *columns, title="All users", title_justify="left")
    tables = Tables(report.experiment, report.metrics, report.readout)
    for row in tables.methods_of_all_users():
        if row.segment != ALL_USERS:
            continue
        metric = tables.by_id[row.metric_id]
        means = (wording.level(row.mean_control, metric), wording.level(row.mean_treatment, metric))
        interval = f"{wording.change(row.relative_ci_low)} to {wording.change(row.relative_ci_high)}"
        numbers = (*means, wording.change(row.relative_effect), interval)
        if row.relative_effect is None and row.absolute_effect is not None:
            interval = f"{wording.number(row.absolute_ci_low)} to {wording.number(row.absolute_ci_high)}"
            numbers = (*means, wording.number(row.absolute_effect), interval)
        table.add_row(
            escape(row.metric_id),
            escape(row.variant_id),
            methods.NAMES[row.method],
            f"{row.n_control:,} / {row.n_treatment:,}",
            *numbers,
            wording.p_value(row.p_value),
            wording.p_value(row.p_value_adjusted),
        )
    return table
