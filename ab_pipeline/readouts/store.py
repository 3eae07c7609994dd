"""Read-outs as tables: every look is kept, and one that is computed again replaces itself."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import Any

from ab_pipeline.experiments.result import Method, MetricResult, Readout
from ab_pipeline.warehouse.base import BUILT_SCHEMA, HOW_TO_BUILD, Session, WarehouseError, tables_in, transaction

RESULTS = f"{BUILT_SCHEMA}.experiment_results"
VERDICTS = f"{BUILT_SCHEMA}.experiment_verdicts"

_RESULT_FIELDS = [field.name for field in fields(MetricResult)]
_values_of = attrgetter(*_RESULT_FIELDS)
RESULT_COLUMNS = {
    "experiment_id": ("varchar(64)", "The experiment."),
    "as_of": ("date", "The day that the totals reach to, included."),
    "metric_id": ("varchar(64)", "The metric."),
    "variant_id": ("varchar(32)", "The treatment."),
    "control_id": ("varchar(32)", "What it is compared with."),
    "segment": ("varchar(64)", "`all`, or one of a dimension; of an interaction the dimension."),
    "method": ("varchar(16)", "How the numbers were computed."),
    "n_control": ("bigint", "Users of the control."),
    "n_treatment": ("bigint", "Users of the treatment."),
    "mean_control": ("double precision", "The control's mean; CUPED's is adjusted."),
    "mean_treatment": ("double precision", "The treatment's mean; CUPED's is adjusted."),
    "absolute_effect": ("double precision", "Their difference."),
    "absolute_ci_low": ("double precision", "Lower end of its interval."),
    "absolute_ci_high": ("double precision", "Upper end of its interval."),
    "relative_effect": ("double precision", "The difference relative to the control: 0.02 is two per cent."),
    "relative_ci_low": ("double precision", "Lower end of its interval."),
    "relative_ci_high": ("double precision", "Upper end of its interval."),
    "p_value": ("double precision", "Two-sided."),
    "p_value_adjusted": ("double precision", "Adjusted for the number of comparisons."),
    "reason": ("varchar(512)", "Why a number does not exist."),
    "code_version": ("varchar(16)", "Of the statistics that computed the row."),
}
_VERDICT_COLUMNS = {
    "experiment_id": "varchar(64)",
    "as_of": "date",
    "verdict": "varchar(16)",
    "winner": "varchar(32)",
    "reasons": "varchar(65535)",
    "gates": "varchar(65535)",
    "basis": "varchar(128)",
    "code_version": "varchar(16)",
    "computed_at": "timestamp",
}


@dataclass(frozen=True)
class StoredLook:
    """A read-out to store, and what it was computed from."""

    readout: Readout
    basis: str
    """The builds of its sums and, for the newest of an experiment, the declarations."""


def stored_bases(session: Session) -> dict[tuple[str, dt.date], str]:
    """What each stored look was computed from, by experiment and day; none while nothing is stored."""
    if "experiment_verdicts" not in tables_in(session, BUILT_SCHEMA):
        return {}
    return {
        (name, day): basis for name, day, basis in session.rows(f"select experiment_id, as_of, basis from {VERDICTS}")
    }


def store(session: Session, looks: Sequence[StoredLook], code_version: str, now: dt.datetime) -> None:
    """Write the looks in one transaction, each in place of an older one of the same experiment and day."""
    with transaction(session):
        result_types = {name: kind for name, (kind, _) in RESULT_COLUMNS.items()}
        _create(session, RESULTS, result_types)
        _create(session, VERDICTS, _VERDICT_COLUMNS)
        for look in looks:
            key = [look.readout.experiment_id, look.readout.as_of]
            for table in (RESULTS, VERDICTS):
                session.run(f"delete from {table} where experiment_id = ? and as_of = ?", key)
        session.insert(RESULTS, result_types, (row for look in looks for row in _results(look.readout, code_version)))
        session.insert(VERDICTS, _VERDICT_COLUMNS, (_verdict(look, code_version, now) for look in looks))


def results_of_all_users(
    session: Session, experiment_ids: Sequence[str]
) -> Iterator[tuple[str, dt.date, MetricResult]]:
    """Experiment, day and each stored result of the looks at some experiments, in order."""
    if "experiment_results" not in tables_in(session, BUILT_SCHEMA):
        return
    for name, as_of, *values in session.rows(
        f"select experiment_id, as_of, {', '.join(_RESULT_FIELDS)} from {RESULTS}"
        f" where experiment_id in ({', '.join('?' * len(experiment_ids))}) and segment = 'all'"
        " order by experiment_id, as_of, metric_id, variant_id, method",
        list(experiment_ids),
    ):
        row = dict(zip(_RESULT_FIELDS, values, strict=True))
        yield name, as_of, MetricResult(**{**row, "method": Method(row["method"])})


def newest_verdicts(session: Session) -> list[tuple[str, dt.date, str, str]]:
    """Experiment, day, verdict and first reason of the newest look at each.

    Raises:
        WarehouseError: nothing is stored yet.
    """
    if "experiment_verdicts" not in tables_in(session, BUILT_SCHEMA):
        raise WarehouseError(f"no verdict is stored yet, and dbt alone makes none: {HOW_TO_BUILD}")
    rows = session.rows(
        f"""
        select verdicts.experiment_id, verdicts.as_of, verdicts.verdict, verdicts.reasons
        from {VERDICTS} as verdicts
        inner join (select experiment_id, max(as_of) as as_of from {VERDICTS} group by experiment_id) as newest
            on verdicts.experiment_id = newest.experiment_id and verdicts.as_of = newest.as_of
        order by verdicts.experiment_id
        """
    )
    return [(name, as_of, verdict, next(iter(json.loads(reasons)), "")) for name, as_of, verdict, reasons in rows]


def verdict_history(session: Session) -> dict[str, list[tuple[dt.date, str]]]:
    """Of each experiment the day and verdict of every stored look, in order; none while nothing is stored."""
    if "experiment_verdicts" not in tables_in(session, BUILT_SCHEMA):
        return {}
    history: dict[str, list[tuple[dt.date, str]]] = {}
    for name, as_of, verdict in session.rows(f"select experiment_id, as_of, verdict from {VERDICTS} order by 1, 2"):
        history.setdefault(name, []).append((as_of, verdict))
    return history


def _create(session: Session, table: str, columns: Mapping[str, str]) -> None:
    types = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    keys = session.keys("experiment_id", ["experiment_id", "as_of"])
    session.run(f"create table if not exists {table} ({types}) {keys}")


def _results(readout: Readout, code_version: str) -> Iterable[tuple[Any, ...]]:
    for result in readout.results:
        yield (readout.experiment_id, readout.as_of, *_values_of(result), code_version)


def _verdict(look: StoredLook, code_version: str, now: dt.datetime) -> tuple[Any, ...]:
    readout = look.readout
    gates = json.dumps([asdict(gate) for gate in readout.gates], allow_nan=False)
    return (
        readout.experiment_id,
        readout.as_of,
        readout.verdict,
        readout.winner,
        json.dumps(readout.reasons),
        gates,
        look.basis,
        code_version,
        now.replace(tzinfo=None, microsecond=0),
    )
