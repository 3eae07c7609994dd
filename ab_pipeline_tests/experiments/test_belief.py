"""Chance to win, expected loss and the shrunk effect, by simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ab_pipeline.experiments.belief import belief_of
from ab_pipeline.experiments.declaration import Direction
from ab_pipeline.experiments.inference import Comparison, always_valid
from ab_pipeline.experiments.moments import ALL_USERS, Moments
from ab_pipeline.experiments.samples import Sample
from ab_pipeline.experiments.subject import Subject
from ab_pipeline_tests.experiments.examples import metric
from ab_pipeline_tests.experiments.sums import moments_of, moments_with


def subject(control: Moments, treatment: Moments) -> Subject:
    return Subject(metric(), "on", "off", ALL_USERS, False, (control, treatment), None)


def test_it_is_the_posterior_of_a_normal_prior() -> None:
    found = belief_of(subject(moments_with(5_000, 10.0, 100.0), moments_with(5_000, 10.4, 100.0)))
    assert found
    rng = np.random.default_rng(1)
    true = rng.normal(0, 0.05, 2_000_000)
    error = (2 / 5_000 * (1 + 1.04**2) / 2) ** 0.5
    near = true[np.abs(true + rng.normal(0, error, len(true)) - 0.04) < 0.001]
    assert found.shrunk_effect == pytest.approx(near.mean(), abs=5e-4)
    assert found.chance_to_win == pytest.approx((near > 0).mean(), abs=0.01)
    assert found.expected_loss == pytest.approx(np.maximum(-near, 0).mean(), abs=1e-4)


def test_less_may_be_better() -> None:
    pair = moments_with(5_000, 10.0, 100.0), moments_with(5_000, 9.6, 100.0)
    up = belief_of(subject(*pair))
    down = belief_of(replace(subject(*pair), metric=metric(direction=Direction.DECREASE)))
    assert up
    assert down
    assert (up.shrunk_effect, up.chance_to_win) == pytest.approx((down.shrunk_effect, 1 - down.chance_to_win))
    assert up.expected_loss > 10 * down.expected_loss


def test_early_effects_overstate_and_shrunk_ones_hardly() -> None:
    """At the planned effect, looking on each of 28 days: the effect told at the first find is 1.7 times the truth."""
    rng, per_day, told, shrunk = np.random.default_rng(1), 448, [], []
    for _ in range(400):
        sums = rng.normal((0.0, 0.0), 10 * per_day**0.5, (28, 2)).cumsum(axis=0)
        for day in range(27):
            n = per_day * (day + 1)
            off, on = 10 + sums[day, 0] / n, 10.354 + sums[day, 1] / n
            if (
                always_valid(Comparison(Sample(n, off, 100.0), Sample(n, on, 100.0)), 0.0354).p_value < 0.05
                and on > off
            ):
                pair = moments_with(n, off, 100.0), moments_with(n, on, 100.0)
                belief = belief_of(replace(subject(*pair), metric=metric(minimum_effect=0.0354)))
                assert belief
                told.append(on / off - 1)
                shrunk.append(belief.shrunk_effect)
                break
    assert np.mean(told) / 0.0354 > 1.4
    assert 0.8 < np.mean(shrunk) / 0.0354 < 1.25


@pytest.mark.parametrize("control", [moments_with(100, -1.0, 1.0), moments_of([1.0] * 100), moments_of([])])
def test_without_a_relative_effect_there_is_nothing_to_believe(control: Moments) -> None:
    assert belief_of(subject(control, moments_with(100, 1.0, 1.0))) is None
