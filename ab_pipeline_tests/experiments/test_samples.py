"""Means and variances from sums are those of the users."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tea_tasting.aggr import Aggregates
from tea_tasting.metrics import RatioOfMeans

from ab_pipeline.experiments.inference import Comparison, planned_test
from ab_pipeline.experiments.moments import Moments
from ab_pipeline.experiments.samples import NoNumberError, adjusted_samples, raw_samples
from ab_pipeline_tests.experiments.sums import moments_of

SEEDS = st.integers(0, 2**32 - 1)


def users(seed: int, n: int) -> dict[str, np.ndarray]:
    """Totals that hang together: active users have more of everything, before and after."""
    rng = np.random.default_rng(seed)
    activity = rng.gamma(2.0, 2.0, n)
    z, d = rng.poisson(activity * 3) + 1, rng.poisson(activity * 4) + 1
    return {"d": d, "z": z, "y": rng.binomial(d, 0.3) * rng.lognormal(0, 1, n), "x": rng.binomial(z, 0.3) * 1.0}


def pair(seed: int, sizes: tuple[int, int] = (300, 340)) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    return users(seed, sizes[0]), users(seed + 1, sizes[1])


def aggregates(totals: dict[str, np.ndarray]) -> Aggregates:
    names = ("y", "d", "x", "z")
    covariances = np.cov([totals[name] for name in names])
    return Aggregates(
        len(totals["y"]),
        {name: float(totals[name].mean()) for name in names},
        {name: float(covariances[i, i]) for i, name in enumerate(names)},
        {(a, b): float(covariances[i, j]) for i, a in enumerate(names) for j, b in enumerate(names) if a < b},
    )


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_a_mean_and_its_variance_are_numpys(seed: int) -> None:
    totals = users(seed, 300)
    sample, _ = raw_samples(moments_of(totals["y"]), moments_of(totals["x"]), is_ratio=False)
    assert (sample.users, sample.mean) == (300, pytest.approx(totals["y"].mean(), rel=1e-12))
    assert sample.variance == pytest.approx(np.var(totals["y"], ddof=1), rel=1e-10)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_whole_numbers_give_the_exact_variance(seed: int) -> None:
    y = np.random.default_rng(seed).integers(0, 10_000, 200)
    exact = sum((Fraction(int(one)) - Fraction(int(y.sum()), 200)) ** 2 for one in y) / 199
    sample, _ = raw_samples(moments_of(y), moments_of(y), is_ratio=False)
    assert sample.variance == pytest.approx(float(exact), rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_the_delta_methods_variance_is_that_of_its_linear_form(seed: int) -> None:
    totals = users(seed, 300)
    y, d = totals["y"], totals["d"]
    sample, _ = raw_samples(moments_of(y, d), moments_of(y, d), is_ratio=True)
    ratio = y.sum() / d.sum()
    assert sample.mean == pytest.approx(ratio, rel=1e-12)
    assert sample.variance == pytest.approx(np.var((y - ratio * d) / d.mean(), ddof=1), rel=1e-8)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_cuped_is_the_residual_of_a_regression_on_the_pre_period(seed: int) -> None:
    control, treatment = pair(seed)
    found = adjusted_samples(*(moments_of(t["y"], x=t["x"]) for t in (control, treatment)), is_ratio=False)
    y, x = np.concatenate([control["y"], treatment["y"]]), np.concatenate([control["x"], treatment["x"]])
    slope = np.polyfit(x, y, 1)[0]
    for totals, sample in zip((control, treatment), found, strict=True):
        adjusted = totals["y"] - slope * (totals["x"] - x.mean())
        assert sample.mean == pytest.approx(adjusted.mean(), rel=1e-9)
        assert sample.variance == pytest.approx(np.var(adjusted, ddof=1), rel=1e-8)


@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_the_third_moment_is_that_of_the_totals_their_linear_form_or_what_the_pre_period_leaves(seed: int) -> None:
    control, treatment = pair(seed)
    sums = [moments_of(**one) for one in (control, treatment)]

    def third(values: np.ndarray) -> float:
        return float(((values - values.mean()) ** 3).mean())

    for totals, sample in zip((control, treatment), raw_samples(*sums, is_ratio=False), strict=True):
        assert sample.third == pytest.approx(third(totals["y"]), rel=1e-9)
    for totals, sample in zip((control, treatment), raw_samples(*sums, is_ratio=True), strict=True):
        form = (totals["y"] - sample.mean * totals["d"]) / totals["d"].mean()
        assert sample.third == pytest.approx(third(form), rel=1e-6)
    y, x = (np.concatenate([one[name] for one in (control, treatment)]) for name in "yx")
    slope = np.polyfit(x, y, 1)[0]
    for totals, sample in zip((control, treatment), adjusted_samples(*sums, is_ratio=False), strict=True):
        assert sample.third == pytest.approx(third(totals["y"] - slope * totals["x"]), rel=1e-6)


METHODS = {
    "mean": (RatioOfMeans("y"), raw_samples, False),
    "ratio": (RatioOfMeans("y", "d"), raw_samples, True),
    "cuped": (RatioOfMeans("y", None, "x"), adjusted_samples, False),
    "cuped ratio": (RatioOfMeans("y", "d", "x", "z"), adjusted_samples, True),
}


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=15, deadline=None)
@given(SEEDS)
def test_effects_and_absolute_intervals_are_tea_tastings(name: str, seed: int) -> None:
    theirs, samples, is_ratio = METHODS[name]
    control, treatment = pair(seed)
    expected = theirs.analyze_aggregates(aggregates(control), aggregates(treatment))
    columns = ("y", "d", "x", "z") if is_ratio else ("y", "x")
    sums = [moments_of(**{column: t[column] for column in columns}) for t in (control, treatment)]
    found = planned_test(Comparison(*samples(*sums, is_ratio=is_ratio)))
    assert found.relative
    ours = (*found.absolute, found.relative[0], found.p_value)
    assert ours == pytest.approx((*expected[2:6], expected.pvalue), rel=1e-7, abs=1e-12)


def test_decimals_are_not_cut_to_whole_numbers() -> None:
    """What a warehouse's driver gives for a decimal column; tea-tasting would truncate it."""
    floats = moments_of([0.25, 0.5, 3.75])
    decimals = Moments(3, *(Decimal(str(value)) for value in list(vars(floats).values())[1:]))  # type: ignore[arg-type]
    assert raw_samples(decimals, decimals, is_ratio=False) == raw_samples(floats, floats, is_ratio=False)


@pytest.mark.parametrize("mean", [0.1, 1e6, 123456.789])
def test_users_who_are_all_alike_have_no_variance_whatever_rounding_leaves(mean: float) -> None:
    alike = moments_of([mean] * 1000)
    assert raw_samples(alike, alike, is_ratio=False)[0].variance == 0


SOME = [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("control", "is_ratio", "adjusted", "reason"),
    [
        (moments_of([]), False, False, "a variant has no user, and two are needed for a variance"),
        (moments_of([1.0]), False, False, "a variant has one user, and two are needed for a variance"),
        (moments_of(SOME, d=[0, 0, 0]), True, False, "a variant has nothing in the ratio's denominator"),
        (moments_of(SOME, x=[3, 3, 3]), False, True, "the users do not differ in the pre-period"),
        (moments_of(SOME, d=SOME, x=SOME, z=[0, 0, 0]), True, True, "no user has a denominator in the pre-period"),
    ],
)
def test_what_cannot_be_computed_says_why(control: Moments, is_ratio: bool, adjusted: bool, reason: str) -> None:
    with pytest.raises(NoNumberError) as refusal:
        (adjusted_samples if adjusted else raw_samples)(control, control, is_ratio=is_ratio)
    assert str(refusal.value) == reason


def test_a_pre_period_ratio_of_one_variant_only_is_not_used() -> None:
    control = moments_of(SOME, d=SOME, x=SOME, z=[0, 0, 0])
    treatment = moments_of(SOME, d=SOME, x=SOME, z=[1, 2, 2])
    with pytest.raises(NoNumberError, match="no user of a variant has a denominator"):
        adjusted_samples(control, treatment, is_ratio=True)
