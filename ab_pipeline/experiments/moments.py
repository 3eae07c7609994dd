"""Sufficient statistics: all that leaves the warehouse of the users of a variant."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

ALL_USERS = "all"
"""The segment of everybody. Others are `age:18-24`, `gender:female`, `activity:new`."""


@dataclass(frozen=True)
class Moments:
    """Sums over the assigned users of a variant, users without events included, and sums of products.

    Each user has four totals: `y` the metric's numerator and `d` its denominator since the start (or assignment), `x`
    and `z` the same in the pre-period. Of a metric that is no ratio `d` and `z` are 1 for every user.
    """

    users: int
    y: float
    d: float
    x: float
    z: float
    yy: float
    dd: float
    xx: float
    zz: float
    yd: float
    yx: float
    yz: float
    dx: float
    dz: float
    xz: float
    yyy: float | None = None
    """The sums of third powers, for the skewness; None where they are not kept."""
    yyd: float | None = None
    ydd: float | None = None
    ddd: float | None = None
    yyx: float | None = None
    yxx: float | None = None
    xxx: float | None = None


@dataclass(frozen=True)
class Cell:
    """The moments of one variant, as a row of `experiment_statistics` has them."""

    experiment_id: str
    metric_id: str
    variant_id: str
    segment: str
    as_of: dt.date
    """Totals are those of the days up to and including this one."""
    moments: Moments
    is_capped: bool = False
    """Totals above the metric's cap count as the cap. A metric with a cap has both cells: raw and capped."""
