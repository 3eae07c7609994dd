"""Users and days before the start: against simulation, and what one more of anything costs."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from ab_pipeline.experiments.declaration import MetricKind, MetricRole
from ab_pipeline.experiments.inference import Comparison, always_valid, planned_test
from ab_pipeline.experiments.moments import Moments
from ab_pipeline.experiments.plan import Design, History, effect_after, history_of, plan_of, users_needed
from ab_pipeline.experiments.precision import Family
from ab_pipeline.experiments.result import Method
from ab_pipeline.experiments.samples import NoNumberError, Sample
from ab_pipeline_tests.experiments.examples import metric
from ab_pipeline_tests.experiments.sums import moments_of, moments_with

EVEN = Design((0.5, 0.5), 1_000)
ONE = Family(1, 0)
Z = NormalDist().inv_cdf


def history(role: MetricRole = MetricRole.PRIMARY, name: str = "revenue") -> History:
    """A standard deviation as large as the mean."""
    return history_of(metric(name, role=role), moments_with(100_000, 10.0, 100.0), None, has_pre_period=False)


def test_users_for_an_effect_are_those_of_the_textbook() -> None:
    assert users_needed(history(), 0.05, ONE, EVEN) == pytest.approx(4 * ((Z(0.975) + Z(0.8)) / 0.05) ** 2, abs=1)
    assert effect_after(history(), users_needed(history(), 0.05, ONE, EVEN), ONE, EVEN) == pytest.approx(0.05, rel=1e-4)


@pytest.mark.parametrize("is_sequential", [False, True])
@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1)])
def test_the_planned_users_find_the_effect_with_the_planned_power(
    shares: tuple[float, float], is_sequential: bool
) -> None:
    """At the last look; who stops a sequence earlier finds it a little more often."""
    design = Design(shares, 1_000, is_sequential)
    users = users_needed(history(), 0.05, ONE, design)
    sizes = [round(users * share) for share in shares]
    rng, found = np.random.default_rng(1), 0
    for _ in range(2_000):
        off, on = (Sample(n, rng.normal(mean, 10 / n**0.5), 100.0) for n, mean in zip(sizes, (10.0, 10.5), strict=True))
        test = always_valid(Comparison(off, on), 0.05) if is_sequential else planned_test(Comparison(off, on))
        found += test.p_value < 0.05
    assert found / 2_000 == pytest.approx(0.8, abs=0.025)


def test_a_pre_period_spares_users_by_what_it_explains() -> None:
    rng = np.random.default_rng(1)
    x = rng.gamma(2.0, 1.0, 20_000)
    moments = moments_of(0.6 * x + 0.8 * rng.gamma(2.0, 1.0, 20_000), x=x)
    found = history_of(metric(), moments, None, has_pre_period=True)
    plain = history_of(metric(), moments, None, has_pre_period=False)
    assert (found.method, plain.method) == (Method.CUPED, Method.WELCH)
    assert found.correlation == pytest.approx(0.6, abs=0.02)
    ratio = users_needed(found, 0.05, ONE, EVEN) / users_needed(plain, 0.05, ONE, EVEN)
    assert ratio == pytest.approx(0.64, abs=0.02)


def test_the_plan_is_of_the_metric_that_takes_most_and_in_whole_weeks() -> None:
    guardrail = replace(history(MetricRole.GUARDRAIL, "pages"), variance=400.0)
    plan = plan_of([history(), guardrail], EVEN)
    assert [one.metric_id for one in plan.metrics] == ["revenue", "pages"]
    assert plan.users == plan.metrics[1].users == pytest.approx(16 * ((Z(0.975) + Z(0.9)) / 0.05) ** 2, abs=1)
    assert (plan.days % 7, plan.days >= plan.metrics[1].days > plan.days - 7) == (0, True)
    effects = [point.effect for point in plan.metrics[0].reachable]
    assert effects == sorted(effects, reverse=True)


def test_what_one_more_costs() -> None:
    costs = dict(plan_of([history()], EVEN).costs)

    def times(alpha: float, beta: float) -> float:
        return ((Z(1 - alpha / 2) + Z(1 - beta)) / (Z(0.975) + Z(0.8))) ** 2

    assert costs == {
        "primary metric": pytest.approx(times(0.025, 0.2), rel=1e-3),
        "guardrail": pytest.approx(times(0.05, 0.1), rel=1e-3),
        "treatment": pytest.approx(1.5 * times(0.025, 0.2), rel=1e-3),
    }


def test_a_verdict_that_would_be_withheld_takes_more_users() -> None:
    rng = np.random.default_rng(1)
    skewed = history_of(metric(), moments_of(rng.lognormal(0, 1.5, 20_000)), None, has_pre_period=False)
    few = Design((0.99, 0.01), 1_000)
    assert users_needed(skewed, 0.9, ONE, few) * 0.01 == pytest.approx(355 * (skewed.squared_skewness or 0), rel=0.05)
    assert users_needed(skewed, 0.9, ONE, EVEN) < 2_000


@pytest.mark.parametrize(
    ("kind", "moments", "doubt"),
    [
        (
            MetricKind.MEAN,
            moments_with(99, 10.0, 100.0),
            "The history is too short: 99 users of revenue, and 100 are few.",
        ),
        (
            MetricKind.PROPORTION,
            moments_with(10_000, 0.0005, 0.0005),
            "The history is too short: 5 users of it have revenue.",
        ),
        (
            MetricKind.MEAN,
            moments_of([*[1.0] * 999, 1_000.0]),
            "The history is too short: the variance of revenue, with",
        ),
    ],
)
def test_a_history_that_is_too_short_is_told(kind: MetricKind, moments: Moments, doubt: str) -> None:
    plan = plan_of([history_of(metric(kind=kind), moments, None, has_pre_period=False)], EVEN)
    assert plan.doubts[0].startswith(doubt)
    assert plan_of([history()], EVEN).doubts == ()


def test_what_does_not_vary_cannot_be_planned() -> None:
    with pytest.raises(NoNumberError, match="revenue does not vary"):
        history_of(metric(), moments_of([2.0] * 500), None, has_pre_period=False)
