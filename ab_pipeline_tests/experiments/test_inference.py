"""Effects, intervals and p-values against scipy and statsmodels, and what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import test_proportions_2indep as proportions_test

from ab_pipeline.experiments.inference import ALPHA, Comparison, always_valid, detectable_effect, planned_test
from ab_pipeline.experiments.samples import NoNumberError, Sample, raw_samples
from ab_pipeline_tests.experiments.sums import moments_of

SEEDS = st.integers(0, 2**32 - 1)
SAMPLES = st.builds(Sample, st.integers(2, 10**7), st.floats(-1e6, 1e6), st.floats(0, 1e9))


def compare(control: np.ndarray, treatment: np.ndarray) -> Comparison:
    return Comparison(*raw_samples(moments_of(control), moments_of(treatment), is_ratio=False))


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_the_planned_test_is_scipys_welch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    control, treatment = rng.lognormal(0, 1.5, 40), rng.lognormal(0.1, 1.0, 60)
    found = planned_test(compare(control, treatment))
    welch = stats.ttest_ind(treatment, control, equal_var=False)
    low, high = welch.confidence_interval(0.95)
    assert (found.p_value, *found.absolute[1:]) == pytest.approx((welch[1], low, high), rel=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(500, 4_500), st.integers(500, 4_500))
def test_a_proportion_is_the_mean_of_zeros_and_ones(won: int, lost: int) -> None:
    """statsmodels divides the variance by n, not n - 1, and takes the normal for Student's t."""
    ones = [np.repeat([1.0, 0.0], [count, 5_000 - count]) for count in (won, lost)]
    found = planned_test(compare(*ones))
    theirs = proportions_test(lost, 5_000, won, 5_000, compare="diff", method="wald")
    assert found.p_value == pytest.approx(tuple(theirs)[1], abs=2e-4)
    assert found.absolute[0] == pytest.approx((lost - won) / 5_000)


@settings(max_examples=200, deadline=None)
@given(SAMPLES, SAMPLES, st.floats(0.001, 1))
def test_every_number_is_finite_and_intervals_hold_their_effect(a: Sample, b: Sample, minimum_effect: float) -> None:
    for infer in (planned_test, lambda comparison: always_valid(comparison, minimum_effect)):
        try:
            found = infer(Comparison(a, b))
        except NoNumberError:
            continue
        for effect, low, high in filter(None, (found.absolute, found.relative)):
            assert all(map(math.isfinite, (effect, low, high)))
            assert low <= effect <= high
        assert 0 <= found.p_value <= 1


@settings(max_examples=200, deadline=None)
@given(SAMPLES, SAMPLES)
def test_an_interval_leaves_out_zero_just_when_the_p_value_is_below_alpha(a: Sample, b: Sample) -> None:
    for infer in (planned_test, lambda comparison: always_valid(comparison, 0.05)):
        try:
            found = infer(Comparison(a, b))
        except NoNumberError:
            assume(False)
            return
        assume(abs(found.p_value - ALPHA) > 1e-6)
        _, low, high = found.absolute
        assert (low > 0 or high < 0) == (found.p_value < ALPHA)


@settings(max_examples=100, deadline=None)
@given(st.integers(200, 10**7), st.floats(0.1, 30), st.floats(0.005, 0.2))
def test_peeking_costs_width(users: int, deviation: float, minimum_effect: float) -> None:
    """About 40 % where the planned effect is just detectable, more anywhere else."""
    comparison = Comparison(Sample(users, 1.0, deviation**2), Sample(users, 1.0, deviation**2))
    peeked = always_valid(comparison, minimum_effect).absolute[2]
    assert peeked > 1.4 * planned_test(comparison).absolute[2]


def test_the_sequence_is_narrowest_where_the_planned_effect_is_detectable() -> None:
    comparison = Comparison(Sample(1000, 10.0, 100.0), Sample(1000, 10.0, 100.0))
    detectable = detectable_effect(comparison.standard_error) / 10.0
    widths = {factor: always_valid(comparison, detectable * factor).absolute[2] for factor in (0.25, 0.5, 1, 2, 4)}
    assert min(widths, key=lambda factor: widths[factor]) == 1


@pytest.mark.parametrize("n", [200, 5_000])
def test_the_detectable_effect_is_statsmodels(n: int) -> None:
    """Which solves for the exact power; the two agree unless the other tail matters."""
    comparison = Comparison(Sample(n, 10.0, 4.0), Sample(n, 10.0, 4.0))
    size = NormalIndPower().solve_power(nobs1=n, alpha=0.05, power=0.8)
    assert detectable_effect(comparison.standard_error) == pytest.approx(size * 2.0, rel=1e-4)


def test_the_relative_interval_is_that_of_the_log_ratio_and_needs_means_above_zero() -> None:
    found = planned_test(Comparison(Sample(10_000, 1.0, 900.0), Sample(10_000, 1.2, 900.0)))
    assert found.relative
    assert found.relative[1] > -1
    for mean in (0.0, -1.0, 1e-9):
        assert planned_test(Comparison(Sample(10_000, mean, 900.0), Sample(10_000, 1.2, 900.0))).relative is None


@pytest.mark.parametrize(
    ("control", "reason"),
    [
        (Sample(99, 1.0, 1.0), "a variant has fewer than 100 users, too few to peek"),
        (Sample(100, 0.0, 1.0), "the planned effect is relative to a control's mean of nearly zero"),
    ],
)
def test_no_sequence_without_a_scale(control: Sample, reason: str) -> None:
    with pytest.raises(NoNumberError, match=reason):
        always_valid(Comparison(control, Sample(100, 1.0, 1.0)), 0.05)


def test_users_who_are_all_alike_cannot_be_compared() -> None:
    with pytest.raises(NoNumberError, match="no user differs from another"):
        Comparison(Sample(100, 1.0, 0.0), Sample(100, 2.0, 0.0))


def test_a_small_arm_without_an_event_makes_nothing_significant() -> None:
    """TRUTH.md F2: 0 of 1,000 against 99 of 99,000 shipped with p 2.5e-23; Fisher's exact p is .63."""
    control, treatment = np.zeros(1_000), np.repeat((1.0, 0.0), (99, 98_901))
    assert stats.fisher_exact([[0, 1_000], [99, 98_901]]).pvalue > 0.6
    with pytest.raises(NoNumberError, match="in one of the variants no user differs from another"):
        compare(control, treatment)
