"""From two samples to an effect, its intervals and its p-value."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ab_pipeline.experiments.samples import NoNumberError, Sample

ALPHA = 0.05
_Z_ALPHA = 1.959963984540054
_Z_POWER = 0.8416212335729143
_TINY = 1e-6
_WIDEST_LOG = 20.0
"""A relative interval from a billionth to a billionfold says nothing, and soon overflows."""
FEWEST_USERS_TO_PEEK = 100
"""A variant: the always-valid interval is an asymptotic one, and starts when the mean is nearly normal."""


@dataclass(frozen=True)
class Inference:
    """An effect with its 95 % intervals. There is no relative one unless both means are above zero, by some way."""

    absolute: tuple[float, float, float]
    """Effect, low, high."""
    relative: tuple[float, float, float] | None
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """A treatment against the control.

    Raises:
        NoNumberError: one of them does not vary. A mean without an error would be taken for certain, and a small arm
            without an event makes any other one significant.
    """

    control: Sample
    treatment: Sample

    def __post_init__(self) -> None:
        if self.error_variance <= 0:
            raise NoNumberError("no user differs from another")
        if min(self.control.variance, self.treatment.variance) <= 0:
            raise NoNumberError("in one of the variants no user differs from another")

    @property
    def effect(self) -> float:
        """The difference of the means."""
        return self.treatment.mean - self.control.mean

    @property
    def error_variance(self) -> float:
        """The variance of the difference."""
        return self.control.error_variance + self.treatment.error_variance

    @property
    def standard_error(self) -> float:
        """Of the difference."""
        return math.sqrt(self.error_variance)

    def log_errors(self) -> tuple[float, float] | None:
        """The variances of the logarithms of the two means by the delta method; None unless both are above zero."""
        if min(self.control.mean, self.treatment.mean) <= 0:
            return None
        control, treatment = (one.error_variance / one.mean / one.mean for one in (self.control, self.treatment))
        return (control, treatment) if 0 < control + treatment < _WIDEST_LOG**2 else None


def planned_test(comparison: Comparison) -> Inference:
    """Welch's t-test (Biometrika 1947), for the one look that was planned. The relative interval is that of the log
    ratio, as tea-tasting's is: it cannot reach below -100 %.
    """
    from scipy.special import stdtr, stdtrit

    users = comparison.control.users, comparison.treatment.users
    errors = comparison.control.error_variance, comparison.treatment.error_variance

    def half_width(errors: tuple[float, float]) -> float:
        return float(stdtrit(_welch_degrees(errors, users), 1 - ALPHA / 2)) * math.sqrt(sum(errors))

    statistic = comparison.effect / comparison.standard_error
    p_value = 2 * float(stdtr(_welch_degrees(errors, users), -abs(statistic)))
    log_errors = comparison.log_errors()
    return Inference(
        _around(comparison.effect, half_width(errors)),
        _ratio_interval(comparison, half_width(log_errors)) if log_errors else None,
        p_value,
    )


def always_valid(comparison: Comparison, minimum_effect: float) -> Inference:
    """An asymptotic confidence sequence: right at all looks together, with as many as there are.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (arXiv 2103.06476v7): half-width by equation 9, its free parameter
    rho by equation 161 for the sample size at which the planned relative effect is found with 80 % power.

    Raises:
        NoNumberError: too few users, or a planned effect without a size.
    """
    if min(comparison.control.users, comparison.treatment.users) < FEWEST_USERS_TO_PEEK:
        raise NoNumberError(f"a variant has fewer than {FEWEST_USERS_TO_PEEK} users, too few to peek")
    planned = minimum_effect * abs(comparison.control.mean)
    information = sequence_information(_n_over_planned(planned, comparison.standard_error))
    log_errors = comparison.log_errors()
    relative = None
    if log_errors:
        log_error = math.sqrt(sum(log_errors))
        log_information = sequence_information(_n_over_planned(math.log1p(minimum_effect), log_error))
        relative = _ratio_interval(comparison, sequence_half_width(log_error, log_information))
    squared = comparison.effect**2 / comparison.error_variance
    return Inference(
        _around(comparison.effect, sequence_half_width(comparison.standard_error, information)),
        relative,
        # the alpha at which the sequence would just touch zero
        min(1.0, math.sqrt(information + 1) * math.exp(-squared * information / (2 * (information + 1)))),
    )


def sequence_information(n_over_planned: float) -> float:
    """n rho^2, with rho by equation 161 for the planned n."""
    twice_log = -2 * math.log(ALPHA)
    return (twice_log + math.log(twice_log + 1)) * n_over_planned


def sequence_half_width(standard_error: float, information: float) -> float:
    """Equation 9, with sigma / sqrt(n) as the standard error."""
    spread = 2 * (information + 1) / information
    return standard_error * math.sqrt(spread * math.log(math.sqrt(information + 1) / ALPHA))


def detectable_effect(standard_error: float) -> float:
    """The effect that is found with 80 % power at 5 %, two-sided (van Belle, Statistical Rules of Thumb, chapter 2)."""
    return (_Z_ALPHA + _Z_POWER) * standard_error


def _n_over_planned(planned_effect: float, standard_error: float) -> float:
    """The sample over the one that finds the planned effect, since the detectable effect falls with its square root."""
    ratio = planned_effect / detectable_effect(standard_error)
    if ratio < _TINY:
        raise NoNumberError("the planned effect is relative to a control's mean of nearly zero")
    return min(ratio, 1 / _TINY) ** 2


def _welch_degrees(errors: tuple[float, float], users: tuple[int, int]) -> float:
    """Satterthwaite's degrees of freedom; from shares, since squares of small variances vanish."""
    return 1 / sum((error / sum(errors)) ** 2 / (n - 1) for error, n in zip(errors, users, strict=True))


def _around(middle: float, half_width: float) -> tuple[float, float, float]:
    return middle, middle - half_width, middle + half_width


def _ratio_interval(comparison: Comparison, half_width: float) -> tuple[float, float, float] | None:
    middle = math.log(comparison.treatment.mean) - math.log(comparison.control.mean)
    if abs(middle) + half_width > _WIDEST_LOG:
        return None
    ratio = comparison.treatment.mean / comparison.control.mean
    factor = math.exp(half_width)
    return ratio - 1, ratio / factor - 1, ratio * factor - 1
