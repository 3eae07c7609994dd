"""What a page plots beside the read-out, of many experiments by three queries."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping

from ab_pipeline.experiments.result import MetricResult
from ab_pipeline.experiments.series import Bin, DayTotals, Look, Series
from ab_pipeline.readouts.store import results_of_all_users
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Session


def series_of(session: Session, days: Mapping[str, dt.date], *, with_bins: bool = True) -> dict[str, Series]:
    """Of each experiment up to its day. Bins are as of the newest day, whatever the day is."""
    if not days:
        return {}
    looks: dict[str, dict[dt.date, list[MetricResult]]] = defaultdict(dict)
    for name, as_of, result in results_of_all_users(session, list(days)):
        if as_of <= days[name]:
            looks[name].setdefault(as_of, []).append(result)
    totals: dict[str, list[DayTotals]] = defaultdict(list)
    for name, *row in _rows(session, days, "metric_days", "metric_id, variant_id, datestamp, numerator, denominator"):
        one = DayTotals(*row)
        if one.day <= days[name]:
            totals[name].append(one)
    bins: dict[str, list[Bin]] = defaultdict(list)
    if with_bins:
        for name, *row in _rows(session, days, "distribution", "metric_id, variant_id, low, high, users"):
            bins[name].append(Bin(*row))
    return {
        name: Series(
            tuple(Look(as_of, tuple(results)) for as_of, results in looks[name].items()),
            tuple(totals[name]),
            tuple(bins[name]),
        )
        for name in days
    }


def _rows(session: Session, days: Mapping[str, dt.date], table: str, columns: str) -> list[tuple]:
    return session.rows(
        f"select experiment_id, {columns} from {BUILT_SCHEMA}.experiment_{table}"
        f" where experiment_id in ({', '.join('?' * len(days))}) order by 1, 2, 3, 4",
        list(days),
    )
