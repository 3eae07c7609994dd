"""Sums of users' totals, as SQL would give them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ab_pipeline.experiments.moments import Moments


def moments_of(
    y: ArrayLike, d: ArrayLike | None = None, x: ArrayLike | None = None, z: ArrayLike | None = None
) -> Moments:
    """Of totals by user. Without `d` and `z` it is no ratio, without `x` there is no pre-period."""
    totals = {"y": np.asarray(y, dtype=float)}
    totals["d"] = np.ones_like(totals["y"]) if d is None else np.asarray(d, dtype=float)
    totals["x"] = np.zeros_like(totals["y"]) if x is None else np.asarray(x, dtype=float)
    totals["z"] = np.ones_like(totals["y"]) if z is None else np.asarray(z, dtype=float)
    sums = {name: float(values.sum()) for name, values in totals.items()}
    pairs = ("yy", "dd", "xx", "zz", "yd", "yx", "yz", "dx", "dz", "xz")
    products = {pair: float(totals[pair[0]] @ totals[pair[1]]) for pair in pairs}
    thirds = ("yyy", "yyd", "ydd", "ddd", "yyx", "yxx", "xxx")
    cubes = {name: float(np.prod([totals[one] for one in name], axis=0).sum()) for name in thirds}
    return Moments(users=len(totals["y"]), **sums, **products, **cubes)


def moments_with(users: int, mean: float, variance: float) -> Moments:
    """Of a metric that is no ratio, without a pre-period or third powers."""
    y, n = users * mean, float(users)
    yy = variance * (users - 1) + users * mean**2
    return Moments(users, y, n, 0.0, n, yy, n, 0.0, n, y, 0.0, y, 0.0, n, 0.0)
