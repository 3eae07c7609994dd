"""Proportions and counts of few events against exact enumeration, and the holdbacks that the normal test shipped."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ab_pipeline.experiments.declaration import Direction, Metric, MetricKind, MetricRole, Variant
from ab_pipeline.experiments.few_events import FewEvents, Tally, few_events
from ab_pipeline.experiments.inference import few_events_test
from ab_pipeline.experiments.moments import Moments
from ab_pipeline.experiments.readout import read_out
from ab_pipeline.experiments.result import Method, Verdict
from ab_pipeline_tests.experiments.examples import END, cells, evidence, experiment, metric
from ab_pipeline_tests.experiments.sums import moments_of

PROPORTION, COUNT, MEAN = MetricKind.PROPORTION, MetricKind.COUNT, MetricKind.MEAN
TALLIES = st.integers(2, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def did(events: int, users: int) -> Moments:
    """Of users of whom so many did it, once."""
    n, y = float(users), float(events)
    return Moments(users, y, n, 0.0, n, y, n, 0.0, n, y, 0.0, y, 0.0, n, 0.0)


def tallies(control: tuple[int, int], treatment: tuple[int, int], size: float | None = None) -> FewEvents:
    return FewEvents(Tally(*control, size), Tally(*treatment, size), 0.0, 0.0)


def tail(name: str, k: int, *of: float) -> float:
    """Above, and half of it itself."""
    distribution = getattr(stats, name)
    return float(distribution.sf(k, *of) + distribution.pmf(k, *of) / 2)


@settings(max_examples=60, deadline=None)
@given(TALLIES, TALLIES)
def test_a_proportions_is_fishers_test_by_mid_p(control: tuple[int, int], treatment: tuple[int, int]) -> None:
    (a, n), (b, m) = control, treatment
    above = tail("hypergeom", b, n + m, a + b, m)
    assert tallies(control, treatment).p_value() == pytest.approx(min(1, 2 * above, 2 - 2 * above), abs=2e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(2, 10**5), st.integers(2, 10**5), st.floats(0.5, 2))
def test_a_counts_is_the_conditional_binomial_test_of_any_ratio(a: int, b: int, n: int, m: int, ratio: float) -> None:
    above = tail("binom", b, a + b, m * ratio / (m * ratio + n))
    assert tallies((a, n), (b, m), 1.0).chance_of_ratio(ratio) == pytest.approx(above, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(TALLIES, TALLIES, st.sampled_from([None, 1.0]))
def test_intervals_leave_out_no_effect_just_when_the_test_does(
    control: tuple[int, int], treatment: tuple[int, int], size: float | None
) -> None:
    found = few_events_test(tallies(control, treatment, size))
    for interval in filter(None, (found.absolute, found.relative)):
        effect, low, high = interval
        assert low <= effect <= high
        assert all(map(math.isfinite, interval))
        if abs(found.p_value - 0.05) > 1e-3:
            assert (low > 0 or high < 0) == (found.p_value < 0.05)


@pytest.mark.parametrize("events", [1, 2, 3, 5, 10, 50, 300])
def test_a_holdback_of_one_in_a_hundred_ships_noise_as_often_as_it_may(events: int) -> None:
    """The normal test's worse tail: 36.8, 13.5, 12.6, 10.9 and 6.6 % at 1, 2, 3, 5 and 10 events; 2.5 % is right."""
    total, users, small = 100 * events, 100_000, 1_000
    ks = np.arange(min(4 * events + 12, small))
    chances = stats.hypergeom.pmf(ks, users, total, small)
    tails = {-1: 0.0, 1: 0.0}
    for k, chance in zip(ks.tolist(), chances.tolist(), strict=True):
        if chance < 1e-7:
            continue
        found = few_events(did(total - k, users - small), did(k, small), PROPORTION)
        if found is None:
            assert events == 300
            continue
        if few_events_test(found).p_value < 0.05:
            tails[1 if k > events else -1] += chance
    # a discrete test is off by up to half the chance of one number of events
    assert max(tails.values()) < 0.025 + chances[events] / 10 + 0.003


@pytest.mark.parametrize("kind", [PROPORTION, COUNT, MEAN])
def test_a_small_arm_without_events_decides_nothing(kind: MetricKind) -> None:
    """Control 1,000 users, 0 bought; new 99,000, 99 bought: it was "Ship new" with p 2.5e-23, and Fisher's is .63."""
    users = {"off": did(0, 1_000), "on": did(99, 99_000)}
    variants = Variant("off", True, 0.01), Variant("on", False, 0.99)
    counts = evidence({"off": 36, "on": 3_536})
    readout = read_out(experiment(*variants), [metric("bought", kind)], cells(users, "bought"), counts, END)
    [planned, peeked] = readout.results
    assert (planned.method, planned.p_value) == (Method.WELCH, pytest.approx(0.37, abs=0.01))
    assert peeked.reason in {
        f"too few events to peek: the smaller variant expects 1, and about {needed} are needed" for needed in (344, 345)
    }
    assert readout.verdict == Verdict.DO_NOT_SHIP


@pytest.mark.parametrize("kind", [PROPORTION, COUNT, MEAN])
@pytest.mark.parametrize(
    ("before", "after", "holds"), [(200, 1, True), (200, 0, True), (0, 0, True), (200, 230, False)]
)
def test_a_perfect_guardrail_holds(kind: MetricKind, before: int, after: int, holds: bool) -> None:
    """Crashes, lower is better, 2,000 users each: 200 to 0 and 0 to 0 were "do not ship"."""
    crashes = Metric("crashes", kind, "crashes", None, None, Direction.DECREASE, MetricRole.GUARDRAIL, 0.05)
    rng = np.random.default_rng(1)
    won = {name: moments_of(rng.gamma(4, mean, 2_000)) for name, mean in (("off", 1.0), ("on", 1.3))}
    rows = [*cells(won), *cells({"off": did(before, 2_000), "on": did(after, 2_000)}, "crashes")]
    readout = read_out(experiment(), [metric(), crashes], rows, evidence({"off": 72, "on": 72}), END)
    assert (readout.verdict == Verdict.SHIP) == holds, readout.reasons
    assert ("crashes of on: none in either variant, the guardrail holds." in readout.reasons) == (before == after)


def test_users_with_many_events_are_as_good_as_fewer_events() -> None:
    """Each of three users bought ten times: three events of ten, not thirty."""
    y = np.zeros(1_000)
    y[:3] = 10
    found = few_events(moments_of(y), moments_of(np.zeros(1_000)), COUNT)
    assert found
    assert (found.control.events, found.control.mean) == (pytest.approx(3), pytest.approx(0.03))
    assert found.p_value() == pytest.approx(1 / 8, abs=2e-4)


@pytest.mark.parametrize(
    ("control", "treatment", "kind"),
    [
        (did(50, 1_000), did(60, 1_000), PROPORTION),
        (did(500, 1_000), did(30, 60), PROPORTION),
        (did(5, 1_000), did(6, 1_000), MetricKind.RATIO),
        (did(5, 1_000), did(6, 1_000), MEAN),
        (did(0, 1_000), did(0, 1_000), PROPORTION),
        (did(9, 9), did(8, 8), PROPORTION),
        (moments_of([-1.0, 2.0, -3.0]), moments_of([0.0, 0.0]), MEAN),
    ],
)
def test_enough_events_and_what_has_none_are_left_to_others(
    control: Moments, treatment: Moments, kind: MetricKind
) -> None:
    assert few_events(control, treatment, kind) is None
