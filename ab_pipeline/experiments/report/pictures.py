"""The charts as pictures of their own, for Dagster's UI."""

from __future__ import annotations

from markupsafe import Markup

from ab_pipeline.experiments.report.forest import forest_picture
from ab_pipeline.experiments.report.page import Report
from ab_pipeline.experiments.report.plots import Plots
from ab_pipeline.experiments.report.tables import Tables


def pictures(report: Report) -> dict[str, Markup]:
    """By name: the effects, and by day those of each primary metric and guardrail. `svg.png` makes pixels of them."""
    found: dict[str, Markup] = {}
    rows = Tables(report.experiment, report.metrics, report.readout).deciding.rows
    if rows:
        found["effects"] = forest_picture("Effects, 95 % intervals", [(row.metric, row.result) for row in rows])
    plots = Plots(report.experiment, report.metrics, report.readout, report.series)
    return found | {plot.title: plot.drawing for plot in plots.effects_by_day()}
