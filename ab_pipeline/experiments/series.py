"""What the report plots beside the read-out."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from ab_pipeline.experiments.result import MetricResult


@dataclass(frozen=True)
class Look:
    """The results of all users as of one day: a point of the plot of the effect by day."""

    as_of: dt.date
    results: tuple[MetricResult, ...]


@dataclass(frozen=True)
class DayTotals:
    """A metric and variant on one day alone. Summed up to a day they give the cumulative value."""

    metric_id: str
    variant_id: str
    day: dt.date
    numerator: float
    """The sum over users; of a proportion, the users whose first event of the kind was on this day."""
    denominator: float
    """Of a ratio its denominator's sum, otherwise the users newly assigned on this day."""


@dataclass(frozen=True)
class Bin:
    """Users of a variant whose total of a metric is in [low, high); the first bin is that of zero alone, [0, 0]."""

    metric_id: str
    variant_id: str
    low: float
    high: float
    users: int


@dataclass(frozen=True)
class Series:
    """All of them for one experiment. Each may be empty: then its plot is left out."""

    looks: tuple[Look, ...] = ()
    days: tuple[DayTotals, ...] = ()
    bins: tuple[Bin, ...] = ()
