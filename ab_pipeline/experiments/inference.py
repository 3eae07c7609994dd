"""From two samples to an effect, its intervals and its p-value."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ab_pipeline.experiments.few_events import FewEvents
from ab_pipeline.experiments.samples import NoNumberError, Sample

ALPHA = 0.05
POWER = 0.8
_TINY = 1e-6
_WIDEST = 1e9
"""A relative interval up to a billionfold says nothing, and soon overflows."""
FEWEST_USERS_TO_PEEK = 100
"""A variant: the always-valid interval is an asymptotic one, and starts when the mean is nearly normal."""


@dataclass(frozen=True)
class Inference:
    """An effect with its 95 % intervals: no relative one unless the control's mean is above zero, by some way."""

    absolute: tuple[float, float, float]
    """Effect, low, high."""
    relative: tuple[float, float, float] | None
    p_value: float
    clears_harm: bool = False
    """The treatment's mean is shown to be on the good side of the multiple of the control's that was asked about."""


@dataclass(frozen=True)
class Comparison:
    """A treatment against the control.

    Raises:
        NoNumberError: neither varies.
    """

    control: Sample
    treatment: Sample

    def __post_init__(self) -> None:
        if self.error_variance <= 0:
            raise NoNumberError("no user differs from another")

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

    def log_error_variance(self) -> float | None:
        """Of the logarithm of the ratio of the means by the delta method; None unless both are well above zero."""
        if min(self.control.mean, self.treatment.mean) <= 0:
            return None
        found = sum(one.error_variance / one.mean / one.mean for one in (self.control, self.treatment))
        return found if 0 < found < 1 else None

    def inference(self, critical: float, p_value: float, harm: float | None) -> Inference:
        """Of a test that finds what is `critical` standard errors away."""
        half_width = critical * self.standard_error
        absolute = self.effect, self.effect - half_width, self.effect + half_width
        return Inference(absolute, self._fieller(critical), p_value, harm is not None and self._clears(harm, critical))

    def _fieller(self, critical: float) -> tuple[float, float, float] | None:
        """The ratios that the test does not rule out, less one (Fieller, JRSS B 1954).

        It leaves out 0 just when the test finds a difference. None where they have no end, since the control's mean may
        be zero.
        """
        control, treatment = self.control, self.treatment
        if control.mean <= 0:
            return None
        ratio = treatment.mean / control.mean
        a, b = (critical * (one.error_variance**0.5 / control.mean) for one in (control, treatment))
        if not a < 1 or not abs(ratio) < _WIDEST:
            return None
        reach = math.sqrt(b * b * (1 - a * a) + a * a * ratio * ratio)
        low, high = ((ratio + sign * reach) / (1 - a * a) - 1 for sign in (-1, 1))
        # rounding may put the effect of a tiny error outside
        return (ratio - 1, min(low, ratio - 1), max(high, ratio - 1)) if max(-low, high) < _WIDEST else None

    def _clears(self, harm: float, critical: float) -> bool:
        """mean_t - harm mean_c against zero, which needs no relative effect."""
        distance = self.treatment.mean - harm * self.control.mean
        error = math.sqrt(self.treatment.error_variance + harm**2 * self.control.error_variance)
        return (distance if harm < 1 else -distance) > critical * error


def planned_test(comparison: Comparison, harm: float | None = None) -> Inference:
    """Welch's t-test (Biometrika 1947), for the one look that was planned.

    Raises:
        NoNumberError: the users of a variant do not differ, so that nobody knows how far its mean may be off.
    """
    from scipy.special import stdtr, stdtrit

    _refuse_constant(comparison)
    degrees = _welch_degrees(comparison)
    critical = float(stdtrit(degrees, 1 - ALPHA / 2))
    p_value = 2 * float(stdtr(degrees, -abs(comparison.effect) / comparison.standard_error))
    return comparison.inference(critical, p_value, harm)


def always_valid(comparison: Comparison, minimum_effect: float, harm: float | None = None) -> Inference:
    """An asymptotic confidence sequence: right at all looks together, with as many as there are.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (arXiv 2103.06476v7): half-width by equation 9, its free parameter
    rho by equation 161 for the sample size at which the planned relative effect is found with 80 % power.

    Raises:
        NoNumberError: too few users, users who do not differ, or a planned effect without a size.
    """
    if min(comparison.control.users, comparison.treatment.users) < FEWEST_USERS_TO_PEEK:
        raise NoNumberError(f"a variant has fewer than {FEWEST_USERS_TO_PEEK} users, too few to peek")
    _refuse_constant(comparison)
    planned = minimum_effect * abs(comparison.control.mean)
    information = sequence_information(_n_over_planned(planned, comparison.standard_error))
    squared = comparison.effect**2 / comparison.error_variance
    # the alpha at which the sequence would just touch zero
    p_value = min(1.0, math.sqrt(information + 1) * math.exp(-squared * information / (2 * (information + 1))))
    return comparison.inference(sequence_half_width(1.0, information), p_value, harm)


def few_events_test(found: FewEvents, harm: float | None = None) -> Inference:
    """By mid-P, for the one look that was planned."""
    clears = harm is not None and found.clears(harm, ALPHA)
    return Inference(found.difference(ALPHA), found.ratio(ALPHA), found.p_value(), clears)


def sequence_information(n_over_planned: float) -> float:
    """n rho^2, with rho by equation 161 for the planned n."""
    twice_log = -2 * math.log(ALPHA)
    return (twice_log + math.log(twice_log + 1)) * n_over_planned


def sequence_half_width(standard_error: float, information: float, alpha: float = ALPHA) -> float:
    """Equation 9, with sigma / sqrt(n) as the standard error."""
    spread = 2 * (information + 1) / information
    return standard_error * math.sqrt(spread * math.log(math.sqrt(information + 1) / alpha))


def detectable_effect(standard_error: float, alpha: float = ALPHA, power: float = POWER) -> float:
    """What is found with this power at alpha, two-sided (van Belle, Statistical Rules of Thumb, chapter 2)."""
    from scipy.special import ndtri

    return float(ndtri(1 - alpha / 2) + ndtri(power)) * standard_error


def _refuse_constant(comparison: Comparison) -> None:
    if min(comparison.control.variance, comparison.treatment.variance) <= 0:
        raise NoNumberError(
            "the users of a variant do not differ from each other, so its mean may be off by any amount"
        )


def _n_over_planned(planned_effect: float, standard_error: float) -> float:
    """The sample over the one that finds the planned effect, since the detectable effect falls with its square root."""
    ratio = planned_effect / detectable_effect(standard_error)
    if ratio < _TINY:
        raise NoNumberError("the planned effect is relative to a control's mean of nearly zero")
    return min(ratio, 1 / _TINY) ** 2


def _welch_degrees(comparison: Comparison) -> float:
    """Satterthwaite's degrees of freedom; from shares, since squares of small variances vanish."""
    samples = comparison.control, comparison.treatment
    return 1 / sum((one.error_variance / comparison.error_variance) ** 2 / (one.users - 1) for one in samples)
