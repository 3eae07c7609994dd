"""From sums to a variant's mean and the variance of one user's contribution to it.

tea-tasting's `Aggregates` holds the algebra: the delta method for ratios (Deng, Knoblich and Lu, KDD 2018) and
for the covariance that CUPED needs (Deng, Xu, Kohavi and Walker, WSDM 2013).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ab_pipeline.experiments.moments import Moments

if TYPE_CHECKING:
    from tea_tasting.aggr import Aggregates

_ROUNDING = 1e-12
"""A variance below this share of the mean square is what rounding leaves of none at all."""


_PAIRS = (("y", "d"), ("y", "x"), ("y", "z"), ("d", "x"), ("d", "z"), ("x", "z"))


class NoNumberError(Exception):
    """A number does not exist. The message says why, for a reader."""


@dataclass(frozen=True)
class Sample:
    """A variant: its mean (or ratio), and the variance of a user around it."""

    users: int
    mean: float
    variance: float
    third: float | None = None
    """The third central moment of a user; None where sums of third powers are not kept."""

    @property
    def error_variance(self) -> float:
        """The variance of the mean."""
        return self.variance / self.users


def raw_samples(control: Moments, treatment: Moments, *, is_ratio: bool) -> tuple[Sample, Sample]:
    """The two variants as they are.

    Raises:
        NoNumberError: too few users, or a ratio over nothing.
    """
    a, b = _aggregates(control, treatment, is_ratio=is_ratio)
    denominator = "d" if is_ratio else None
    return tuple(
        replace(_raw(one, denominator), third=_third(moments, denominator is not None, 0.0))
        for one, moments in ((a, control), (b, treatment))
    )  # type: ignore[return-value]


def denominator_samples(control: Moments, treatment: Moments) -> tuple[Sample, Sample]:
    """The denominators of a ratio, as if they were the metric."""
    plain = [replace(one, y=one.d, yy=one.dd, yd=one.dd, yx=one.dx, yyy=one.ddd) for one in (control, treatment)]
    return raw_samples(plain[0], plain[1], is_ratio=False)


def adjusted_samples(control: Moments, treatment: Moments, *, is_ratio: bool) -> tuple[Sample, Sample]:
    """The two variants as they would be had their users been alike in the pre-period (CUPED).

    Raises:
        NoNumberError: as above, or the pre-period tells nothing.
    """
    a, b = _aggregates(control, treatment, is_ratio=is_ratio)
    y, x = ("y", "d" if is_ratio else None), ("x", "z" if is_ratio else None)
    both = a + b
    if is_ratio and not both.mean("z"):
        raise NoNumberError("no user has a denominator in the pre-period")
    spread = both.ratio_var(*x)
    if spread <= _ROUNDING * abs(both.mean("x")) ** 2:
        raise NoNumberError("the users do not differ in the pre-period")
    slope = both.ratio_cov(*y, *x) / spread
    centre = _ratio(both, *x)
    samples = []
    for one, moments in ((a, control), (b, treatment)):
        if is_ratio and not one.mean("z"):
            raise NoNumberError("no user of a variant has a denominator in the pre-period")
        mean = _ratio(one, *y) - slope * (_ratio(one, *x) - centre)
        variance = one.ratio_var(*y) - 2 * slope * one.ratio_cov(*y, *x) + slope**2 * one.ratio_var(*x)
        # of a ratio that of its raw totals: what the pre-period takes away of it would need thirteen sums more
        third = _third(moments, is_ratio, 0.0 if is_ratio else slope)
        samples.append(Sample(one.count(), mean, _no_rounding(variance, one.ratio_var(*y)), third))
    return samples[0], samples[1]


def _raw(one: Aggregates, denominator: str | None) -> Sample:
    mean = _ratio(one, "y", denominator)
    return Sample(one.count(), mean, _no_rounding(one.ratio_var("y", denominator), mean**2))


def _third(moments: Moments, is_ratio: bool, slope: float) -> float | None:
    """Of y - slope x, or of a ratio's linear form (y - R d) / mean(d)."""
    m, n = moments, int(moments.users)
    by, scale = (float(m.y) / float(m.d), float(m.d) / n) if is_ratio else (slope, 1.0)
    names = ("yyy", "yyd", "ydd", "ddd") if is_ratio else ("yyy", "yyx", "yxx", "xxx")
    found = [getattr(m, name) for name in names]
    if any(one is None for one in found):
        return None
    cubes = [float(one) for one in found]
    third = sum(
        times * (-by) ** power * cube for power, (times, cube) in enumerate(zip((1, 3, 3, 1), cubes, strict=True))
    )
    if is_ratio:
        return third / n / scale**3
    mean = (float(m.y) - slope * float(m.x)) / n
    square = float(m.yy) - 2 * slope * float(m.yx) + slope**2 * float(m.xx)
    return (third - 3 * mean * square) / n + 2 * mean**3


def _ratio(one: Aggregates, numerator: str, denominator: str | None) -> float:
    return one.mean(numerator) / one.mean(denominator)


def _aggregates(control: Moments, treatment: Moments, *, is_ratio: bool) -> tuple[Aggregates, Aggregates]:
    for moments in (control, treatment):
        if moments.users < 2:
            raise NoNumberError(f"a variant has {_users(moments.users)}, and two are needed for a variance")
        if is_ratio and not moments.d:
            raise NoNumberError("a variant has nothing in the ratio's denominator")
    return _aggregate(control), _aggregate(treatment)


def _users(users: int) -> str:
    return {0: "no user", 1: "one user"}.get(users, f"{users} users")


def _aggregate(moments: Moments) -> Aggregates:
    from tea_tasting.aggr import Aggregates

    # Decimal, which a warehouse may give, would be cut to whole numbers in there without a word
    n = int(moments.users)
    sums = {name: float(getattr(moments, name)) for name in ("y", "d", "x", "z")}

    def covariance(left: str, right: str) -> float:
        products = float(getattr(moments, left + right))
        return (products - sums[left] * sums[right] / n) / (n - 1)

    return Aggregates(
        count_=n,
        mean_={name: total / n for name, total in sums.items()},
        var_={name: _no_rounding(covariance(name, name), (total / n) ** 2) for name, total in sums.items()},
        cov_={pair: covariance(*pair) for pair in _PAIRS},
    )


def _no_rounding(variance: float, scale: float) -> float:
    return variance if variance > _ROUNDING * scale else 0.0
