"""Looks as tables. They are appended: one that is computed again takes the older one's place, and where the verdict is
another, the older one stays, so that it can be told what was said when."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import Any

from ab_pipeline.experiments.moments import Cell
from ab_pipeline.experiments.result import Method, MetricResult, Readout
from ab_pipeline.warehouse.base import BUILT_SCHEMA, HOW_TO_BUILD, Row, Session, WarehouseError, tables_in, transaction

RESULTS = f"{BUILT_SCHEMA}.experiment_results"
VERDICTS = f"{BUILT_SCHEMA}.experiment_verdicts"
HISTORY = f"{BUILT_SCHEMA}.experiment_history"
_COUNTS = "superseded_at is null"

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
    "computed_at": ("timestamp", "When the look was computed, in UTC."),
    "superseded_at": ("timestamp", "When a newer look at the same day took its place; null for the one that counts."),
}
_LOOK = {"experiment_id": "varchar(64)", "as_of": "date"}
_VERDICT_COLUMNS = {
    **_LOOK,
    "verdict": "varchar(16)",
    "winner": "varchar(32)",
    "reasons": "varchar(65535)",
    "gates": "varchar(65535)",
    "input_fingerprint": "varchar(64)",
    "code_version": "varchar(16)",
    "computed_at": "timestamp",
    "superseded_at": "timestamp",
}
_HISTORY_COLUMNS = {
    **_LOOK,
    "metric_id": "varchar(64)",
    "variant_id": "varchar(32)",
    "numerator": "double precision",
    "denominator": "double precision",
    "computed_at": "timestamp",
    "superseded_at": "timestamp",
}
_TABLES = {
    RESULTS: {name: kind for name, (kind, _) in RESULT_COLUMNS.items()},
    VERDICTS: _VERDICT_COLUMNS,
    HISTORY: _HISTORY_COLUMNS,
}


@dataclass(frozen=True)
class NewLook:
    """A read-out to store, and what it was computed from."""

    readout: Readout
    totals: tuple[Cell, ...]
    """Those of all users that are not cut."""
    input_fingerprint: str
    """Of the events of its days and, behind a space, of everything that the newest look of an experiment depends on."""


@dataclass(frozen=True)
class ChangedVerdict:
    """What a look said that counts no more."""

    as_of: dt.date
    verdict: str
    computed_at: dt.datetime
    superseded_at: dt.datetime


def stored_fingerprints(session: Session) -> dict[tuple[str, dt.date], str | None]:
    """Of each look that counts, by experiment and day; None of one that an older version stored."""
    if not _is_there(session, VERDICTS):
        return {}
    column = "input_fingerprint" if "superseded_at" in _columns(session, VERDICTS) else "null"
    where = f"where {_COUNTS}" if column != "null" else ""
    rows = session.rows(f"select experiment_id, as_of, {column} from {VERDICTS} {where}")
    return {(name, day): fingerprint for name, day, fingerprint in rows}


def store(session: Session, looks: Sequence[NewLook], code_version: str, now: dt.datetime) -> None:
    """Append the looks in one transaction. Of those whose place they take, the ones that said otherwise stay."""
    now = now.astimezone(dt.UTC).replace(tzinfo=None)
    with transaction(session):
        for table, columns in _TABLES.items():
            _create(session, table, columns)
        said = {
            (name, day): verdict
            for name, day, verdict in session.rows(
                f"select experiment_id, as_of, verdict from {VERDICTS} where {_COUNTS}"
            )
        }
        for look in looks:
            key = look.readout.experiment_id, look.readout.as_of
            if key in said:
                says_otherwise = said[key] != look.readout.verdict
                for table in _TABLES:
                    _supersede(session, table, key, now if says_otherwise and table != HISTORY else None)
        results = (row for look in looks for row in _results(look.readout, code_version, now))
        session.insert(RESULTS, _TABLES[RESULTS], results)
        session.insert(VERDICTS, _VERDICT_COLUMNS, (_verdict(look, code_version, now) for look in looks))
        session.insert(HISTORY, _HISTORY_COLUMNS, (row for look in looks for row in _totals(look, now)))


def _supersede(session: Session, table: str, key: tuple[str, dt.date], at: dt.datetime | None) -> None:
    """Mark the rows of the look that counts, or remove them where they say nothing that the next does not."""
    replaced = f"where experiment_id = ? and as_of = ? and {_COUNTS}"
    if at:
        session.run(f"update {table} set superseded_at = ? {replaced}", [at, *key])
    else:
        session.run(f"delete from {table} {replaced}", list(key))


def adopt(session: Session, fingerprints: Mapping[tuple[str, dt.date], str]) -> None:
    """Say of looks that an older version stored what they are made of: they stay, and count until that changes."""
    with transaction(session):
        _create(session, VERDICTS, _VERDICT_COLUMNS)
        for (name, day), fingerprint in fingerprints.items():
            session.run(
                f"update {VERDICTS} set input_fingerprint = ?"
                " where experiment_id = ? and as_of = ? and input_fingerprint is null",
                [fingerprint, name, day],
            )


def results_of_all_users(
    session: Session, experiment_ids: Sequence[str]
) -> Iterator[tuple[str, dt.date, MetricResult]]:
    """Experiment, day and each stored result of the looks at some experiments, in order."""
    if not _is_current(session, RESULTS):
        return
    for name, as_of, *values in session.rows(
        f"select experiment_id, as_of, {', '.join(_RESULT_FIELDS)} from {RESULTS}"
        f" where experiment_id in ({', '.join('?' * len(experiment_ids))}) and segment = 'all' and {_COUNTS}"
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
    if not _is_there(session, VERDICTS):
        raise WarehouseError(f"no verdict is stored yet, and dbt alone makes none: {HOW_TO_BUILD}")
    where = f"where {_COUNTS}" if _is_current(session, VERDICTS) else ""
    rows = session.rows(
        f"""
        with looks as (select * from {VERDICTS} {where})
        select looks.experiment_id, looks.as_of, looks.verdict, looks.reasons
        from looks
        inner join (select experiment_id, max(as_of) as as_of from looks group by experiment_id) as newest
            on looks.experiment_id = newest.experiment_id and looks.as_of = newest.as_of
        order by looks.experiment_id
        """
    )
    return [(name, as_of, verdict, next(iter(json.loads(reasons)), "")) for name, as_of, verdict, reasons in rows]


def verdict_history(session: Session) -> dict[str, list[tuple[dt.date, str]]]:
    """Of each experiment the day and verdict of every look that counts, in order; none while nothing is stored."""
    history: dict[str, list[tuple[dt.date, str]]] = {}
    if _is_current(session, VERDICTS):
        for name, as_of, verdict in session.rows(
            f"select experiment_id, as_of, verdict from {VERDICTS} where {_COUNTS} order by 1, 2"
        ):
            history.setdefault(name, []).append((as_of, verdict))
    return history


def changed_verdicts(session: Session) -> dict[str, tuple[ChangedVerdict, ...]]:
    """Of each experiment what looks said that were read otherwise later, in order."""
    found: dict[str, tuple[ChangedVerdict, ...]] = {}
    if _is_current(session, VERDICTS):
        for name, *row in session.rows(
            f"select experiment_id, as_of, verdict, computed_at, superseded_at from {VERDICTS}"
            f" where not {_COUNTS} order by 1, 2, 4"
        ):
            found[name] = (*found.get(name, ()), ChangedVerdict(*row))
    return found


def totals_by_day(session: Session, experiment_ids: Sequence[str]) -> list[Row]:
    """Experiment, metric, variant, day, numerator and denominator up to each day, in that order."""
    if not _is_there(session, HISTORY):
        return []
    return session.rows(
        f"select experiment_id, metric_id, variant_id, as_of, numerator, denominator from {HISTORY}"
        f" where experiment_id in ({', '.join('?' * len(experiment_ids))}) and {_COUNTS} order by 1, 2, 3, 4",
        list(experiment_ids),
    )


def _is_there(session: Session, table: str) -> bool:
    return table.rpartition(".")[2] in tables_in(session, BUILT_SCHEMA)


def _is_current(session: Session, table: str) -> bool:
    """Whether looks of this version are in it: one that an older version wrote is brought up to date by the next."""
    return "superseded_at" in _columns(session, table)


def _columns(session: Session, table: str) -> set[str]:
    schema, _, name = table.rpartition(".")
    rows = session.rows(
        f"select lower(column_name) from {session.catalog}columns where table_schema = ? and table_name = ?",
        [schema, name],
    )
    return {column for (column,) in rows}


def _create(session: Session, table: str, columns: Mapping[str, str]) -> None:
    types = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    keys = session.keys("experiment_id", ["experiment_id", "as_of"])
    session.run(f"create table if not exists {table} ({types}) {keys}")
    for name in columns.keys() - _columns(session, table):
        session.run(f"alter table {table} add column {name} {columns[name]}")


def _results(readout: Readout, code_version: str, now: dt.datetime) -> Iterable[tuple[Any, ...]]:
    for result in readout.results:
        yield (readout.experiment_id, readout.as_of, *_values_of(result), code_version, now, None)


def _totals(look: NewLook, now: dt.datetime) -> Iterable[tuple[Any, ...]]:
    for cell in look.totals:
        yield (
            *(cell.experiment_id, look.readout.as_of, cell.metric_id, cell.variant_id),
            *(cell.moments.y, cell.moments.d, now, None),
        )


def _verdict(look: NewLook, code_version: str, now: dt.datetime) -> tuple[Any, ...]:
    readout = look.readout
    gates = json.dumps([asdict(gate) for gate in readout.gates], allow_nan=False)
    return (
        readout.experiment_id,
        readout.as_of,
        readout.verdict,
        readout.winner,
        json.dumps(readout.reasons),
        gates,
        look.input_fingerprint,
        code_version,
        now,
        None,
    )
