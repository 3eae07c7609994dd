"""Before the start: users and days that an effect takes, and the effect that given days can show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache

from ab_pipeline.experiments.declaration import Metric, MetricKind, MetricRole
from ab_pipeline.experiments.few_events import FEWEST_EVENTS
from ab_pipeline.experiments.inference import POWER, detectable_effect, sequence_half_width, sequence_information
from ab_pipeline.experiments.moments import Moments
from ab_pipeline.experiments.normality import skewness, users_for
from ab_pipeline.experiments.precision import Family, family_of
from ab_pipeline.experiments.result import Method
from ab_pipeline.experiments.samples import NoNumberError, Sample, adjusted_samples, raw_samples

FEWEST_USERS_OF_HISTORY = 100
_WEEKS = (1, 2, 3, 4, 6, 8)


@dataclass(frozen=True)
class History:
    """A metric as the users had it who are to come again."""

    metric: Metric
    method: Method
    """The one that will decide."""
    users: int
    mean: float
    variance: float
    """Of a user, by the method."""
    correlation: float | None
    """Of a user's pre-period with the metric; None where it is not used."""
    squared_skewness: float | None
    """None where third powers are not kept."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why its variance may be far from the one to come."""
        name = self.metric.metric_id
        if self.users < FEWEST_USERS_OF_HISTORY:
            return (
                f"The history is too short: {self.users:,} users of {name}, and {FEWEST_USERS_OF_HISTORY} are few.",
            )
        if self.metric.kind in (MetricKind.MEAN, MetricKind.RATIO) and self.squared_skewness is not None:
            needed = users_for(self.squared_skewness, (0, 1))
            if self.users < needed:
                told = (
                    f"the variance of {name}, with a skewness of {self.squared_skewness**0.5:.3g}, takes {needed:,.0f}"
                )
                return (f"The history is too short: {told} users to be known, and there are {self.users:,}.",)
        if self.metric.kind == MetricKind.PROPORTION and self.mean * self.users < FEWEST_EVENTS:
            return (f"The history is too short: {self.mean * self.users:,.0f} users of it have {name}.",)
        return ()


@dataclass(frozen=True)
class Design:
    """What is to be decided, and how."""

    shares: tuple[float, ...]
    """Of the control, and of each treatment; together one."""
    users_per_day: float
    is_sequential: bool = False
    """It is stopped at the first look that finds it. Otherwise there is one look, at the end."""

    def spread(self) -> float:
        """1 / share of the control + 1 / share of the smallest treatment."""
        return 1 / self.shares[0] + 1 / min(self.shares[1:])


@dataclass(frozen=True)
class Reachable:
    """What a length of whole weeks can show."""

    days: int
    users: int
    effect: float
    """Relative."""


@dataclass(frozen=True)
class MetricPlan:
    """Of a metric that decides."""

    metric_id: str
    role: MetricRole
    method: Method
    mean: float
    deviation: float
    """Of a user, by the method that will decide."""
    correlation: float | None
    minimum_effect: float
    alpha: float
    power: float
    users: int
    """In all variants, for the minimum effect."""
    days: int
    """At the rate of users, without rounding to weeks."""
    reachable: tuple[Reachable, ...]


@dataclass(frozen=True)
class Plan:
    """The answer."""

    users: int
    days: int
    """In whole weeks, so that each day of the week counts as often."""
    metrics: tuple[MetricPlan, ...]
    costs: tuple[tuple[str, float], ...]
    """One more of each, and how many times as many users that takes."""
    doubts: tuple[str, ...]

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "costs": [{"one_more": what, "times_users": times} for what, times in self.costs]}


def history_of(metric: Metric, raw: Moments, capped: Moments | None, *, has_pre_period: bool) -> History:
    """The same users on both sides, as an A/A experiment would have them.

    Raises:
        NoNumberError: the metric has no variance, or a mean that no effect can be relative to.
    """
    is_ratio = metric.kind == MetricKind.RATIO
    sums = capped or raw
    method = Method.WINSORIZED if capped else Method.DELTA if is_ratio else Method.WELCH
    plain, _ = raw_samples(sums, sums, is_ratio=is_ratio)
    found, correlation = plain, None
    if has_pre_period:
        try:
            found, _ = adjusted_samples(sums, sums, is_ratio=is_ratio)
        except NoNumberError:
            pass
        else:
            method = Method.CUPED
            correlation = math.sqrt(max(0.0, 1 - found.variance / plain.variance)) if plain.variance else None
    if found.variance <= 0 or plain.mean <= 0:
        raise NoNumberError(f"{metric.metric_id} does not vary, or its mean is not above zero, in the history")
    return History(metric, method, plain.users, plain.mean, found.variance, correlation, _squared_skewness(found))


def plan_of(histories: Sequence[History], design: Design) -> Plan:
    """For a verdict with 80 % power: alpha by the family of primary metrics, beta by the guardrails."""
    family = _family(histories, design)
    deciding = [one for one in histories if one.metric.role != MetricRole.SECONDARY]
    metrics = tuple(_metric_plan(one, family, design) for one in deciding)
    users = max((one.users for one in metrics), default=0)
    days = math.ceil(users / design.users_per_day / 7) * 7
    doubts = tuple(doubt for one in deciding for doubt in one.doubts)
    return Plan(users, days, metrics, tuple(_costs(deciding, design, users)), doubts)


def users_needed(history: History, effect: float, family: Family, design: Design) -> int:
    """In all variants, so that the effect is found with the family's power, and a verdict is not withheld."""
    errors = _standard_errors(family.alpha(history.metric.role), family.power, is_sequential=design.is_sequential)
    of_power = history.variance * design.spread() * (errors / (effect * history.mean)) ** 2
    smallest = min(design.shares)
    of_skewness = 0.0
    if history.squared_skewness is not None and history.metric.kind in (MetricKind.MEAN, MetricKind.RATIO):
        sizes = (round(1e9 * smallest), round(1e9 * max(design.shares)))
        of_skewness = users_for(history.squared_skewness, sizes, is_ratio=history.metric.kind == MetricKind.RATIO)
    return math.ceil(max(of_power, of_skewness / smallest, 2 / smallest))


def effect_after(history: History, users: float, family: Family, design: Design) -> float:
    """Relative, that so many users find with the family's power."""
    errors = _standard_errors(family.alpha(history.metric.role), family.power, is_sequential=design.is_sequential)
    return errors * math.sqrt(history.variance * design.spread() / users) / history.mean


def _metric_plan(history: History, family: Family, design: Design) -> MetricPlan:
    metric = history.metric
    users = users_needed(history, metric.minimum_effect, family, design)
    reachable = tuple(
        Reachable(7 * weeks, round(there), effect_after(history, there, family, design))
        for weeks in _WEEKS
        for there in [7 * weeks * design.users_per_day]
    )
    return MetricPlan(
        metric.metric_id,
        metric.role,
        history.method,
        history.mean,
        math.sqrt(history.variance),
        history.correlation,
        metric.minimum_effect,
        family.alpha(metric.role),
        family.power,
        users,
        math.ceil(users / design.users_per_day),
        reachable,
    )


def _costs(deciding: Sequence[History], design: Design, users: int) -> Iterable[tuple[str, float]]:
    family, treatments = _family(deciding, design), len(design.shares) - 1
    primaries = family.comparisons // treatments
    more = Design((1 / (treatments + 2),) * (treatments + 2), design.users_per_day, design.is_sequential)
    others = {
        "primary metric": (replace(family, comparisons=(primaries + 1) * treatments), design),
        "guardrail": (replace(family, guardrails=family.guardrails + 1), design),
        "treatment": (replace(family, comparisons=primaries * (treatments + 1)), more),
    }
    for what, (of, changed) in others.items():
        needed = max((users_needed(one, one.metric.minimum_effect, of, changed) for one in deciding), default=0)
        yield what, needed / users if users else 1.0


def _family(histories: Iterable[History], design: Design) -> Family:
    return family_of([one.metric for one in histories], len(design.shares) - 1)


@cache
def _standard_errors(alpha: float, power: float, *, is_sequential: bool) -> float:
    """How many of them an effect has to be away from zero."""
    planned = detectable_effect(1.0, alpha, power)
    if not is_sequential:
        return planned
    from scipy.optimize import brentq
    from scipy.special import ndtri

    def short_of(effect: float) -> float:
        information = sequence_information((effect / detectable_effect(1.0, power=POWER)) ** 2)
        return effect - sequence_half_width(1.0, information, alpha) - float(ndtri(power))

    return float(brentq(short_of, planned, 10 * planned))  # type: ignore[arg-type]


def _squared_skewness(sample: Sample) -> float | None:
    found = skewness(sample, sample)
    return None if found is None else found**2
