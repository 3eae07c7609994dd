"""What a team declares of its experiments and metrics, as values."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class MetricKind(StrEnum):
    """How a metric's value comes from its users."""

    MEAN = "mean"
    """The mean over assigned users of each user's total, such as revenue per user."""
    COUNT = "count"
    """A mean of small whole numbers, such as purchases per user."""
    PROPORTION = "proportion"
    """The share of assigned users whose total is above zero."""
    RATIO = "ratio"
    """The sum of the numerator over the sum of the denominator, such as clicks per impression."""


class MetricRole(StrEnum):
    """What a metric decides."""

    PRIMARY = "primary"
    SECONDARY = "secondary"
    GUARDRAIL = "guardrail"


class Direction(StrEnum):
    """Where a metric should go."""

    INCREASE = "increase"
    DECREASE = "decrease"


@dataclass(frozen=True)
class Metric:
    """A row of `metrics.csv`. Numerator and denominator are columns of the daily table."""

    metric_id: str
    kind: MetricKind
    numerator: str
    denominator: str | None
    """Of a ratio; None otherwise."""
    cap: float | None
    """The quantile of non-zero totals, pooled over the variants, above which a total counts as that quantile."""
    direction: Direction
    role: MetricRole
    minimum_effect: float
    """The smallest relative effect that matters, above zero: 0.02 is two per cent."""


@dataclass(frozen=True)
class Variant:
    """A row of `experiment_variants.csv`."""

    variant_id: str
    is_control: bool
    expected_weight: float
    """Relative to the other variants of the experiment."""


@dataclass(frozen=True)
class Experiment:
    """A row of `experiments.csv`, with its variants."""

    experiment_id: str
    name: str
    hypothesis: str
    owner: str
    start_date: dt.date
    end_date: dt.date
    """The last planned day, included."""
    pre_period_days: int
    allocation: float
    variants: tuple[Variant, ...]
    is_inferred: bool = False
    """Nobody declared it: its variants are those that no other experiment names."""
    is_aa: bool = False
    """Its variants get the same: a difference is a fault of the pipeline, not a finding."""

    @property
    def control(self) -> Variant | None:
        """The variant that the others are compared with."""
        return next((variant for variant in self.variants if variant.is_control), None)

    @property
    def treatments(self) -> tuple[Variant, ...]:
        """The others."""
        return tuple(variant for variant in self.variants if variant != self.control)
