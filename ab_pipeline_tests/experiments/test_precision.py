"""How much longer the planned effect takes."""

from __future__ import annotations

import datetime as dt
from statistics import NormalDist

import pytest

from ab_pipeline.experiments.declaration import MetricRole, Variant
from ab_pipeline.experiments.evidence import AssignedUsers
from ab_pipeline.experiments.moments import ALL_USERS, Moments
from ab_pipeline.experiments.precision import Family, family_of, precision_of
from ab_pipeline.experiments.result import Precision
from ab_pipeline.experiments.subject import Subject
from ab_pipeline_tests.experiments.examples import END, experiment, metric
from ab_pipeline_tests.experiments.sums import moments_with

ONE = Family(1, 0)


def precision(moments: Moments, by_day: dict[int, int] | None = None, family: Family = ONE) -> Precision:
    """Of a planned effect of 5 %, given the users of both variants by days before the last."""
    subject = Subject(metric(), "on", "off", ALL_USERS, False, (moments, moments), None)
    days = [
        AssignedUsers(variant_id, ALL_USERS, END - dt.timedelta(days=ago), users // 2)
        for ago, users in (by_day or {}).items()
        for variant_id in ("off", "on")
    ]
    return precision_of(subject, days, END, family)


def test_users_needed_follow_the_square_of_the_effect() -> None:
    found = precision(moments_with(1_000, 10.0, 100.0))
    assert found.detectable_effect == pytest.approx(2.8016 * (2 / 1_000) ** 0.5, rel=1e-4)
    assert found.users_needed == pytest.approx(2_000 * ((found.detectable_effect or 0) / 0.05) ** 2, abs=1)


def test_alpha_goes_by_the_comparisons_and_beta_by_the_guardrails() -> None:
    """For 12 comparisons 12,443 users were said, 2 % more than for one; Holm's first step asks 1.75 times as many."""
    moments = moments_with(1_000, 10.0, 100.0)
    alone, of_twelve = (precision(moments, family=Family(n, 0)).users_needed or 0 for n in (1, 12))
    assert of_twelve / alone == pytest.approx(1.75, abs=0.05)
    z = NormalDist().inv_cdf
    with_four = precision(moments, family=Family(1, 4)).users_needed or 0
    assert with_four / alone == pytest.approx(((z(0.975) + z(0.96)) / (z(0.975) + z(0.8))) ** 2, rel=1e-3)
    guardrail = metric("pages", role=MetricRole.GUARDRAIL)
    subject = Subject(guardrail, "on", "off", ALL_USERS, False, (moments, moments), None)
    assert precision_of(subject, [], END, Family(12, 0)).users_needed == alone


def test_a_family_is_the_primary_metrics_times_the_treatments_and_the_guardrails() -> None:
    variants = tuple(Variant(name, name == "off", 1) for name in ("off", "on", "more"))
    metrics = [metric("a"), metric("b"), metric("c", role=MetricRole.GUARDRAIL), metric("d", role=MetricRole.SECONDARY)]
    assert family_of(metrics, len(experiment(*variants).treatments)) == Family(4, 1)


def test_the_rate_is_that_of_the_last_week() -> None:
    moments = moments_with(1_000, 10.0, 100.0)
    needed = (precision(moments).users_needed or 0) - 2_000
    steady = dict.fromkeys(range(28), 100)
    assert precision(moments, steady).days_needed == -(-needed // 100)
    slower = steady | dict.fromkeys(range(7), 50)
    assert precision(moments, slower).days_needed == -(-needed // 50)
    stopped = steady | dict.fromkeys(range(7), 0)
    assert precision(moments, stopped).days_needed is None


def test_enough_users_need_no_day_and_unknown_days_are_not_guessed() -> None:
    assert precision(moments_with(10_000, 10.0, 100.0)).days_needed == 0
    assert precision(moments_with(1_000, 10.0, 100.0)).days_needed is None


@pytest.mark.parametrize("moments", [moments_with(1_000, 0.0, 100.0), moments_with(1, 10.0, 0.0)])
def test_what_has_no_size_has_no_precision(moments: Moments) -> None:
    assert precision(moments) == Precision("revenue", "on", 0.05, None, None, None)
