"""What a page plots beside the read-out, of many experiments by three queries."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from ab_pipeline.experiments.result import MetricResult
from ab_pipeline.experiments.series import Bin, DayTotals, Look, Series
from ab_pipeline.readouts.store import results_of_all_users, totals_by_day
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Row, Session


def series_of(session: Session, days: Mapping[str, dt.date], *, with_bins: bool = True) -> dict[str, Series]:
    """Of each experiment up to its day. Bins are as of the newest day, whatever the day is."""
    if not days:
        return {}
    looks: dict[str, dict[dt.date, list[MetricResult]]] = defaultdict(dict)
    for name, as_of, result in results_of_all_users(session, list(days)):
        if as_of <= days[name]:
            looks[name].setdefault(as_of, []).append(result)
    totals: dict[str, list[DayTotals]] = defaultdict(list)
    for name, one in _daily(totals_by_day(session, list(days))):
        if one.day <= days[name]:
            totals[name].append(one)
    bins: dict[str, list[Bin]] = defaultdict(list)
    for name, *row in _bins(session, days) if with_bins else ():
        bins[name].append(Bin(*row))
    return {
        name: Series(
            tuple(Look(as_of, tuple(results)) for as_of, results in looks[name].items()),
            tuple(totals[name]),
            tuple(bins[name]),
        )
        for name in days
    }


def _daily(rows: Iterable[Row]) -> Iterator[tuple[str, DayTotals]]:
    """What each look has more than the one before, of rows that are in order."""
    before = (None, 0.0, 0.0)
    for name, metric, variant, day, numerator, denominator in rows:
        _, y, d = before if before[0] == (name, metric, variant) else (None, 0.0, 0.0)
        yield name, DayTotals(metric, variant, day, numerator - y, denominator - d)
        before = ((name, metric, variant), numerator, denominator)


def _bins(session: Session, days: Mapping[str, dt.date]) -> list[Row]:
    return session.rows(
        f"select experiment_id, metric_id, variant_id, low, high, users from {BUILT_SCHEMA}.experiment_distribution"
        f" where experiment_id in ({', '.join('?' * len(days))}) order by 1, 2, 3, 4",
        list(days),
    )
