"""Read-outs as pages in a folder or in S3."""

from __future__ import annotations

from collections.abc import Sequence

from ab_pipeline.experiments.report.page import Report, index, page
from ab_pipeline.maintenance.object_store import ObjectStore
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


def write_pages(reports: Sequence[Report], store: ObjectStore, *, with_index: bool = True) -> list[str]:
    """A page a report and, unless told otherwise, their index; the pages' names in the reports' order.

    Each is replaced whole: whoever reads meanwhile has the old one or the new one.

    Raises:
        StoreError: the folder or bucket cannot be written.
    """
    names = [f"{report.experiment.experiment_id}.html" for report in reports]
    for report, name in zip(reports, names, strict=True):
        store.put_bytes(name, page(report).encode())
    if with_index:
        store.put_bytes("index.html", index(reports, names).encode())
    return names
