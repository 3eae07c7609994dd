"""Proportions and counts of few events: the conditional test by mid-P, and the intervals that are dual to it.

At equal means the test of a proportion is Fisher's by mid-P, that of a count the conditional binomial one. Both are
melded from each variant's own exact interval (Fay, Proschan and Brittain, Biometrics 2015; mid-P: Fay and Brittain,
Statistics in Medicine 2016), so that a ratio other than one, and the difference, have the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from ab_pipeline.experiments.declaration import MetricKind
from ab_pipeline.experiments.moments import Moments
from ab_pipeline.experiments.normality import users_for

if TYPE_CHECKING:
    import numpy as np

FEWEST_EVENTS = 10
"""That the smaller variant has to expect, whatever the skewness, before the normal test is asked."""
_NODES = 48
_REACH = 6.0
"""Standard errors; the interval is within."""
_FARTHEST = 12.0
"""Of the logarithm of a ratio: 160,000-fold."""


@dataclass(frozen=True)
class Tally:
    """The events of a variant."""

    events: float
    users: int
    size: float | None
    """What an event counts, for counts; None for a proportion, of whose users each has one event or none."""

    @property
    def mean(self) -> float:
        """Per user."""
        return self.events * (self.size or 1.0) / self.users

    @property
    def next_mean(self) -> float:
        """With one event more."""
        return (self.events + 1) * (self.size or 1.0) / self.users

    def below(self, rate: np.ndarray, more: int) -> np.ndarray:
        """The confidence that the mean is below `rate`: of its interval's lower end with 0 more, the upper with 1."""
        import numpy as np
        from scipy.special import betainc, gammainc

        if self.events + more <= 0:
            return np.where(rate >= 0, 1.0, 0.0)
        if self.size is not None:
            return gammainc(self.events + more, np.maximum(rate, 0.0) * self.users / self.size)
        others = self.users - self.events + 1 - more
        if others <= 0:
            return np.where(rate >= 1, 1.0, 0.0)
        return betainc(self.events + more, others, np.clip(rate, 0.0, 1.0))

    def quantiles(self, shares: np.ndarray, more: int) -> np.ndarray:
        """The means that `below` gives the shares for."""
        from scipy.special import betaincinv, gammaincinv

        if self.events + more <= 0:
            return 0.0 * shares
        if self.size is not None:
            return gammaincinv(self.events + more, shares) * self.size / self.users
        others = self.users - self.events + 1 - more
        return 0.0 * shares + 1.0 if others <= 0 else betaincinv(self.events + more, others, shares)


@dataclass(frozen=True)
class FewEvents:
    """Two tallies that the normal test cannot tell apart."""

    control: Tally
    treatment: Tally
    expected: float
    """Events, or users without, whichever is rarer, that the smaller variant expects."""
    needed: float
    """So many for the normal test."""

    def p_value(self) -> float:
        """Two-sided, twice the smaller tail."""
        chance = self.chance_of_ratio(1.0)
        return min(1.0, 2 * chance, 2 * (1 - chance))

    def difference(self, alpha: float) -> tuple[float, float, float]:
        """Effect, low, high."""
        effect = self.treatment.mean - self.control.mean
        reach = sum(_REACH * one.mean / one.events**0.5 for one in (self.control, self.treatment) if one.events)
        reach += sum(_REACH * (one.size or 1.0) / one.users for one in (self.control, self.treatment))

        def chance(shift: float) -> float:
            return self._chance(lambda rate: rate + shift, lambda rate: rate - shift)

        low, high = (_root(chance, share, effect - reach, effect + reach) for share in (alpha / 2, 1 - alpha / 2))
        return effect, min(low, effect), max(high, effect)

    def ratio(self, alpha: float) -> tuple[float, float, float] | None:
        """Effect, low, high relative to the control; None where there is no upper end."""
        if not self.control.events:
            return None

        def chance(log_ratio: float) -> float:
            return self.chance_of_ratio(math.exp(log_ratio))

        middle = math.log(max(self.treatment.mean, self.treatment.next_mean / 4) / self.control.mean)
        if chance(middle + _FARTHEST) < 1 - alpha / 2:
            return None
        effect = self.treatment.mean / self.control.mean - 1
        has_low = chance(middle - _FARTHEST) < alpha / 2
        low = math.exp(_root(chance, alpha / 2, middle - _FARTHEST, middle)) - 1 if has_low else -1.0
        high = math.exp(_root(chance, 1 - alpha / 2, middle, middle + _FARTHEST)) - 1
        return effect, min(low, effect), max(high, effect)

    def clears(self, harm: float, alpha: float) -> bool:
        """Whether a mean of `harm` times the control's is ruled out, on the side of harm; none against none is."""
        if harm <= 0 or not (self.control.events or self.treatment.events):
            return True
        chance = self.chance_of_ratio(harm)
        return chance < alpha / 2 if harm < 1 else chance > 1 - alpha / 2

    def chance_of_ratio(self, ratio: float) -> float:
        """One-sided mid-P of a treatment's mean above `ratio` times the control's."""
        return self._chance(lambda rate: ratio * rate, lambda rate: rate / ratio)

    def _chance(
        self, treatment_at: Callable[[np.ndarray], np.ndarray], control_at: Callable[[np.ndarray], np.ndarray]
    ) -> float:
        """Over the quantiles of the variant with more events, what is left of the other one."""
        _, weights = _nodes()
        total = 0.0
        for more, rates in enumerate(self._quantiles):
            if self._is_control_known_better:
                total += float(weights @ self.treatment.below(treatment_at(rates), more))
            else:
                total += float(weights @ (1 - self.control.below(control_at(rates), 1 - more)))
        return min(1.0, max(0.0, total / 2))

    @cached_property
    def _is_control_known_better(self) -> bool:
        return self.control.events >= self.treatment.events

    @cached_property
    def _quantiles(self) -> tuple[np.ndarray, np.ndarray]:
        """For a treatment with 0 events more, which meets a control with 1, and the other way round."""
        shares, _ = _nodes()
        if self._is_control_known_better:
            return self.control.quantiles(shares, 1), self.control.quantiles(shares, 0)
        return self.treatment.quantiles(shares, 0), self.treatment.quantiles(shares, 1)


def few_events(control: Moments, treatment: Moments, kind: MetricKind) -> FewEvents | None:
    """The tallies where a proportion or count has few events, or where a variant has none of a mean; else None."""
    users = int(control.users), int(treatment.users)
    sums = float(control.y), float(treatment.y)
    if kind == MetricKind.RATIO or min(users) < 2 or min(sums) < 0 or not max(sums):
        return None
    if kind == MetricKind.MEAN and min(sums) > 0:
        return None
    if kind == MetricKind.PROPORTION:
        share = sum(sums) / sum(users)
        if share >= 1:
            return None
        size, rare = None, min(share, 1 - share)
        squared_skewness = (1 - 2 * share) ** 2 / (share * (1 - share))
        is_none = any(not 0 < total < n for total, n in zip(sums, users, strict=True))
    else:
        # users with several events are as good as fewer events, each of the mean size of what an event is part of
        size = (float(control.yy) + float(treatment.yy)) / sum(sums)
        rare = sum(sums) / size / sum(users)
        squared_skewness, is_none = 1 / rare, not min(sums)
    expected = rare * min(users)
    needed = max(FEWEST_EVENTS, rare * users_for(squared_skewness, users))
    if not is_none and expected >= needed:
        return None
    tallies = [Tally(total / (size or 1.0), n, size) for total, n in zip(sums, users, strict=True)]
    return FewEvents(tallies[0], tallies[1], expected, needed)


@cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre over the shares 0 to 1."""
    import numpy as np

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, weights / 2


def _root(chance: Callable[[float], float], share: float, low: float, high: float) -> float:
    from scipy.optimize import root_scalar

    def beyond(place: float) -> float:
        return chance(place) - share

    if beyond(low) >= 0:
        return low
    if beyond(high) <= 0:
        return high
    return float(root_scalar(beyond, bracket=(low, high), xtol=1e-7 * (high - low), rtol=1e-8).root)
