"""The statistics of experiments as a reader would work them out: by hand, in whole numbers, from the daily table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

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
        active = {day for unit in units for day in unit.days if unit.first_day <= day <= last}
        for as_of in sorted(active | {unit.first_day for unit in units}):
            present = [unit for unit in units if unit.first_day <= as_of]
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
    users = [row[0] for row in assigned]
    units: list[Unit] = []
    for user, variant, assigned_on, age, gender, has_metadata, copies in assigned:
        first_day = max(assigned_on or start, start)
        if users.count(user) > 1 or not has_metadata or first_day > min(end, last):
            continue
        once = {
            day: {m: v // copies if m in ("num_of_purchases", "revenue") else v for m, v in row.items()}
            for day, row in rows[user, variant].items()
        }
        units.append(Unit(variant, age, gender, first_day, pre_period, once))
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


def built_statistics(connection: Connection) -> dict[Key, tuple[Any, ...]]:
    """What `experiment_statistics` holds."""
    rows = connection.execute(
        "select experiment_id, metric_id, variant_id, segment, as_of, cap is not null,"
        " users, y, d, x, z, yy, dd, xx, zz, yd, yx, yz, dx, dz, xz from analytics.experiment_statistics"
    ).fetchall()
    found = {row[:6]: row[6:] for row in rows}
    assert len(found) == len(rows)
    return found
