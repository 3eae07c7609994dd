"""Read-outs as pages in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ab_pipeline.experiments.report.page import Report, index, page
from ab_pipeline.readouts.evaluate import Evaluation
from ab_pipeline.warehouse.base import BUILT_SCHEMA

SOURCES = (
    ("Effects, intervals and p-values, every look", f"{BUILT_SCHEMA}.experiment_results"),
    ("Verdicts, reasons and gates, every look", f"{BUILT_SCHEMA}.experiment_verdicts"),
    ("The sums they come from", f"{BUILT_SCHEMA}.experiment_statistics"),
    ("Metrics by day", f"{BUILT_SCHEMA}.experiment_metric_days"),
    ("How a metric is spread", f"{BUILT_SCHEMA}.experiment_distribution"),
    ("Who counts", f"{BUILT_SCHEMA}.experiment_units"),
    ("What is declared", "dbt_project/seeds/experiments.csv, experiment_variants.csv, metrics.csv"),
)


def report_of(evaluation: Evaluation) -> Report:
    """What a page shows of it."""
    return Report(evaluation.experiment, evaluation.metrics, evaluation.readout, evaluation.series, SOURCES)


def write_pages(reports: Sequence[Report], folder: Path, *, with_index: bool = True) -> list[Path]:
    """A page a report and, unless told otherwise, their index; the pages' paths in the reports' order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{report.experiment.experiment_id}.html" for report in reports]
    for report, path in zip(reports, paths, strict=True):
        path.write_text(page(report), encoding="utf-8")
    if with_index:
        (folder / "index.html").write_text(index(reports, [path.name for path in paths]), encoding="utf-8")
    return paths
