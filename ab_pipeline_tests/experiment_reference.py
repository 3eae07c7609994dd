"""The statistics of experiments as a reader would work them out: by hand, in whole numbers, from the daily table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from datetime import date, timedelta
from typing import Any

from ab_pipeline.experiments.moments import Cell
from ab_pipeline.readouts.quality_inputs import look_days
from ab_pipeline.readouts.statistics import newest_statistics, statistics_as_of
from ab_pipeline.warehouse.base import Session
from ab_pipeline_tests.dbt_warehouse import Connection

MEASURES = ("num_of_items", "num_of_clicks", "num_of_purchases", "revenue")
Key = tuple[str, str, str, str, date, bool]
"""Experiment, metric, variant, segment, as-of day, and whether totals are cut."""
Sums = tuple[int, ...]


@dataclass(frozen=True)
class Metric:
    metric_id: str
    kind: str
    numerator: str
    denominator: str | None
    cap: float | None


@dataclass(frozen=True)
class Unit:
    """A counted user of an experiment, and what the daily table has of the user in the variant."""

    variant: str
    age: str | None
    gender: str | None
    first_day: date
    several_from: date
    """The day from which the user is in several variants, and not counted."""
    pre_period: timedelta
    days: dict[date, dict[str, int]]

    def total(self, measure: str, as_of: date) -> int:
        return sum(row[measure] for day, row in self.days.items() if self.first_day <= day <= as_of)

    def pre_total(self, measure: str) -> int:
        return sum(row[measure] for day, row in self._before())

    def _before(self) -> list[tuple[date, dict[str, int]]]:
        return [(d, row) for d, row in self.days.items() if self.first_day - self.pre_period <= d < self.first_day]

    def segments(self) -> Iterator[str]:
        yield "all"
        yield f"age:{self.age or 'unknown'}"
        yield f"gender:{self.gender or 'unknown'}"
        yield f"activity:{'returning' if self._before() else 'new'}"


def expected_statistics(connection: Connection) -> dict[Key, Sums]:
    """What `experiment_statistics` has to hold: users, then the moments in its order."""
    metrics = [
        Metric(*row)
        for row in connection.execute(
            "select metric_id, kind, numerator, denominator, cap from analytics.metrics"
        ).fetchall()
    ]
    found: dict[Key, Sums] = {}
    experiments = connection.execute(
        "select experiment_id, start_date, pre_period_days, end_date, last_day from analytics.dim_experiment"
    ).fetchall()
    for name, start, pre_days, end, last in experiments:
        if start is None or last is None or start > last:
            continue
        units = _units(connection, name, start, timedelta(days=pre_days), end=end, last=last)
        # a day on which nothing happened to anybody is no look
        active = {
            day for unit in units for day in unit.days if unit.first_day <= day <= last and day < unit.several_from
        }
        for as_of in sorted(active | {unit.first_day for unit in units if unit.first_day < unit.several_from}):
            present = [unit for unit in units if unit.first_day <= as_of < unit.several_from]
            for metric in metrics:
                found |= _sums(name, metric, present, as_of)
    return found


def _units(
    connection: Connection, name: str, start: date, pre_period: timedelta, *, end: date, last: date
) -> list[Unit]:
    assigned = connection.execute(
        "select user_id, variant_id, cast(assigned_at as date), age, gender, has_metadata, num_of_assignments"
        " from analytics.dim_user inner join analytics.dim_experiment_variant using (variant_id)"
        " where experiment_id = ?",
        [name],
    ).fetchall()
    rows: dict[tuple[int, str], dict[date, dict[str, int]]] = defaultdict(dict)
    for user, variant, day, *values in connection.execute(
        f"select user_id, variant_id, datestamp, {', '.join(MEASURES)} from analytics.analytics_variant_user_daily"
        " where datestamp is not null and variant_id is not null"
    ).fetchall():
        rows[user, variant][day] = {m: value or 0 for m, value in zip(MEASURES, values, strict=True)}
    first_days: dict[int, list[date]] = defaultdict(list)
    for user, _, assigned_on, *_ in assigned:
        if max(assigned_on or start, start) <= end:
            first_days[user].append(max(assigned_on or start, start))
    units: list[Unit] = []
    for user, variant, assigned_on, age, gender, has_metadata, copies in assigned:
        first_day = max(assigned_on or start, start)
        if not has_metadata or first_day > min(end, last):
            continue
        once = {
            day: {m: v // copies if m in ("num_of_purchases", "revenue") else v for m, v in row.items()}
            for day, row in rows[user, variant].items()
        }
        several_from = sorted([*first_days[user], date.max])[1]
        units.append(Unit(variant, age, gender, first_day, several_from, pre_period, once))
    return units


def _sums(name: str, metric: Metric, units: list[Unit], as_of: date) -> dict[Key, Sums]:
    found: dict[Key, list[int]] = {}
    cap = _cap(metric, units, as_of)
    for unit in units:
        y, x = unit.total(metric.numerator, as_of), unit.pre_total(metric.numerator)
        d = unit.total(metric.denominator, as_of) if metric.denominator else 1
        z = unit.pre_total(metric.denominator) if metric.denominator else 1
        if metric.kind == "proportion":
            y, x = int(y > 0), int(x > 0)
        versions = [(False, y, x)]
        if metric.cap is not None:
            versions.append((True, *((y, x) if cap is None else (min(y, cap), min(x, cap)))))
        for is_capped, y, x in versions:
            products = (y * y, d * d, x * x, z * z, y * d, y * x, y * z, d * x, d * z, x * z)
            for segment in unit.segments():
                key = (name, metric.metric_id, unit.variant, segment, as_of, is_capped)
                before = found.setdefault(key, [0] * 15)
                found[key] = [a + b for a, b in zip(before, (1, y, d, x, z, *products), strict=True)]
    return {key: tuple(sums) for key, sums in found.items()}


def _cap(metric: Metric, units: list[Unit], as_of: date) -> int | None:
    """The smallest non-zero total that a share of `cap` of them does not exceed."""
    totals = sorted(total for unit in units if (total := unit.total(metric.numerator, as_of)) != 0)
    if metric.cap is None or not totals:
        return None
    return next(t for place, t in enumerate(totals, start=1) if place >= metric.cap * len(totals))


# users and the sums of whole numbers; third powers are added as doubles, in whatever order
_EXACT = 15


def built_statistics(session: Session) -> dict[Key, tuple[Any, ...]]:
    """What the package reads: `experiment_statistics` of the newest day, the as-of query of every other.

    A day on which nothing happened to anybody is as the one before, and is left out.
    """
    active: dict[str, set[date]] = defaultdict(set)
    for name, day in session.rows(
        """
        select units.experiment_id, user_days.datestamp
        from analytics.experiment_units as units
        inner join analytics.analytics_variant_user_daily as user_days
            on units.user_id = user_days.user_id and units.variant_id = user_days.variant_id
        where user_days.datestamp >= units.first_day and user_days.datestamp <= units.last_day
            and units.has_metadata and (units.several_from is null or units.several_from > user_days.datestamp)
        union
        select experiment_id, first_day from analytics.experiment_units
        where first_day <= last_day and has_metadata and (several_from is null or several_from > first_day)
        """
    ):
        active[name].add(day)
    newest = {name: days[-1] for name, days in look_days(session).items()}
    found: dict[Key, tuple[Any, ...]] = {}
    for name, days in active.items():
        read = {day: statistics_as_of(session, [name], day) for day in days}
        built = newest_statistics(session, [name])
        assert {cell.as_of for cell in built} <= {newest[name]}
        assert _by_key(built) == _by_key(statistics_as_of(session, [name], newest[name]))
        if newest[name] in days:
            read[newest[name]] = built
        for cells in read.values():
            found |= _by_key(cells)
    return found


def _by_key(cells: Iterable[Cell]) -> dict[Key, tuple[Any, ...]]:
    rows = [
        (
            (cell.experiment_id, cell.metric_id, cell.variant_id, cell.segment, cell.as_of, cell.is_capped),
            astuple(cell.moments)[:_EXACT],
        )
        for cell in cells
    ]
    found = dict(rows)
    assert len(found) == len(rows)
    return found
