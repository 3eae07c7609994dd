"""When users are enough for a mean to be as good as normal."""

from __future__ import annotations

from ab_pipeline.experiments.samples import NoNumberError, Sample

USERS_PER_SQUARED_SKEWNESS = 355
"""Keeps each tail of 2.5 % within half a point (Boos and Hughes-Oliver 2000; rule 7 of Kohavi and others, KDD 2014)."""

DENOMINATORS_PART = 0.1
"""Of the rule for the denominator of a ratio: log-normal ones are told by it from Pareto ones (the calibration)."""


def users_for(squared_skewness: float, users: tuple[int, int], *, is_ratio: bool = False) -> float:
    """How many the smaller variant needs.

    What distorts the tails is the skewness of the difference (Zhou and Dinh, Biostatistics 2005), which two variants of
    a size take from each other: of a share q of the larger one (1 - q)^2 / (1 + q) of the rule is left. A ratio is
    skewed by its denominator in each variant by itself, and takes the rule as it is.
    """
    share = 1.0 if not max(users) else min(users) / max(users)
    left = 1.0 if is_ratio else (1 - share) ** 2 / (1 + share)
    return USERS_PER_SQUARED_SKEWNESS * squared_skewness * left


def skewness(control: Sample, treatment: Sample) -> float | None:
    """Of a user around the mean of the variant, both together; None where third powers are not kept."""
    if control.third is None or treatment.third is None:
        return None
    users = control.users + treatment.users
    variance = (control.users * control.variance + treatment.users * treatment.variance) / users
    third = (control.users * control.third + treatment.users * treatment.third) / users
    return third / variance**1.5 if variance > 0 and variance**1.5 > 0 else 0.0


def refuse_skewed(control: Sample, treatment: Sample) -> None:
    """Refuse what a few users with very much decide.

    Raises:
        NoNumberError: the smaller variant has fewer users than its skewness takes.
    """
    _refuse(control, treatment, 1.0, is_ratio=False)


def refuse_skewed_ratio(linear_form: tuple[Sample, Sample], denominator: tuple[Sample, Sample] | None) -> None:
    """The same of a ratio, whose linear form may look even by chance while its denominator is a few users'.

    Raises:
        NoNumberError: as above.
    """
    _refuse(*linear_form, 1.0, is_ratio=True)
    if denominator:
        _refuse(*denominator, DENOMINATORS_PART, is_ratio=True)


def _refuse(control: Sample, treatment: Sample, part: float, *, is_ratio: bool) -> None:
    found = skewness(control, treatment)
    if found is None:
        return
    users = control.users, treatment.users
    needed = part * users_for(found**2, users, is_ratio=is_ratio)
    if min(users) < needed:
        raise NoNumberError(
            f"a few users weigh too much: with a skewness of {found:.3g} the smaller variant takes"
            f" {needed:,.0f} users, and has {min(users):,}"
        )
