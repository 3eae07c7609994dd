"""Read-outs as pages and as JSON, in a folder or in S3."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import quote

from ab_pipeline.experiments.contract import to_json
from ab_pipeline.experiments.registry import Registry
from ab_pipeline.experiments.report.page import Report, page
from ab_pipeline.experiments.report.programme import Entry, Look, programme, standing_of
from ab_pipeline.experiments.result import Status, Verdict
from ab_pipeline.maintenance.object_store import ObjectStore
from ab_pipeline.readouts.evaluate import Evaluation
from ab_pipeline.warehouse.base import BUILT_SCHEMA

INDEX, PROGRAMME = "index.html", "index.json"
VERSION = 1
"""Of the programme's JSON. Goes up when a field changes its meaning or goes away."""
SOURCES = (
    ("Effects, intervals and p-values, every look", f"{BUILT_SCHEMA}.experiment_results"),
    ("Verdicts, reasons and gates, every look", f"{BUILT_SCHEMA}.experiment_verdicts"),
    ("The sums they come from", f"{BUILT_SCHEMA}.experiment_statistics"),
    ("Metrics by day", f"{BUILT_SCHEMA}.experiment_history"),
    ("How a metric is spread", f"{BUILT_SCHEMA}.experiment_distribution"),
    ("Who counts", f"{BUILT_SCHEMA}.experiment_units"),
    ("What is declared", "dbt_project/seeds/experiments.csv, experiment_variants.csv, metrics.csv"),
)


def report_of(evaluation: Evaluation) -> Report:
    """What a page shows of it."""
    notices = [
        f"As of {one.as_of} it said “{one.verdict}”, until it was read again on {one.superseded_at:%Y-%m-%d}."
        for one in evaluation.changed_verdicts
        if one.as_of <= evaluation.readout.as_of
    ]
    notices += [f"Edited and not built yet: {edit}." for edit in evaluation.not_built]
    return Report(
        evaluation.experiment, evaluation.metrics, evaluation.readout, evaluation.series, SOURCES, tuple(notices)
    )


def page_url(dagster_url: str, experiment_id: str = "") -> str:
    """Where `ab-pipeline serve` shows the page of an experiment, or of all of them."""
    name = quote(f"{experiment_id}.html", safe="") if experiment_id else ""
    return f"{dagster_url.rstrip('/')}/experiments/{name}"


def entries_of(
    registry: Registry,
    reports: Sequence[Report],
    history: Mapping[str, Sequence[tuple[dt.date, str]]],
    unread: Mapping[str, str] = MappingProxyType({}),
) -> list[Entry]:
    """The programme: every experiment that is declared or has users. Today is the newest day of any of them.

    `unread` says why an experiment has no read-out.
    """
    by_id = {report.experiment.experiment_id: report for report in reports}
    today = max((report.readout.as_of for report in reports), default=dt.date.min)
    experiments = {one.experiment_id: one for one in registry.experiments}
    experiments |= {name: report.experiment for name, report in by_id.items()}
    return [
        Entry(
            experiment,
            standing_of(experiment, by_id[name].readout if name in by_id else None, today),
            tuple(Look(as_of, Verdict(verdict)) for as_of, verdict in history.get(name, ())),
            by_id.get(name),
            quote(f"{name}.html", safe="") if name in by_id else None,
            unread.get(name, ""),
        )
        for name, experiment in experiments.items()
    ]


def write_page(report: Report, store: ObjectStore) -> str:
    """The page of one experiment, in place of an older one; its name. Raises StoreError."""
    name = f"{report.experiment.experiment_id}.html"
    store.put_bytes(name, page(report).encode())
    return name


def write_programme(entries: Sequence[Entry], store: ObjectStore) -> list[str]:
    """Every experiment's page with its JSON, then those of the programme; the pages' names in the entries' order.

    Each is replaced whole: whoever reads meanwhile has the old one or the new one.

    Raises:
        StoreError: the folder or bucket cannot be written.
    """
    names = []
    for entry in entries:
        if entry.report:
            store.put_bytes(f"{entry.experiment.experiment_id}.json", to_json(entry.report.readout).encode())
            names.append(write_page(entry.report, store))
    store.put_bytes(PROGRAMME, programme_json(entries).encode())
    store.put_bytes(INDEX, programme(entries).encode())
    return names


def programme_json(entries: Sequence[Entry]) -> str:
    """The programme for programs."""
    return json.dumps({"version": VERSION, "experiments": [_listed(entry) for entry in entries]}, indent=2)


def _listed(entry: Entry) -> dict[str, object]:
    experiment, readout = entry.experiment, entry.report.readout if entry.report else None
    name = quote(experiment.experiment_id, safe="")
    return {
        "experiment_id": experiment.experiment_id,
        "name": experiment.name,
        "owner": experiment.owner or None,
        "start_date": str(experiment.start_date),
        "end_date": None if experiment.is_inferred else str(experiment.end_date),
        "standing": str(entry.standing),
        "as_of": str(readout.as_of) if readout else None,
        "verdict": str(readout.verdict) if readout else None,
        "winner": readout.winner if readout else None,
        "reasons": list(readout.reasons) if readout else list(filter(None, [entry.unread])),
        "failing_gates": [gate.name for gate in readout.gates if gate.status == Status.FAIL] if readout else [],
        "history": [{"as_of": str(look.as_of), "verdict": str(look.verdict)} for look in entry.history],
        "page": f"/experiments/{name}.html" if readout else None,
        "readout": f"/api/v1/experiments/{name}/readout" if readout else None,
    }
