"""The gates that compare counts of assigned users with the expected weights."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ab_pipeline.experiments.declaration import Variant
from ab_pipeline.experiments.evidence import AssignedUsers
from ab_pipeline.experiments.gates.sample_ratio import (
    look_p_value,
    receives_users,
    sample_ratio,
    sample_ratio_by_day,
    sample_ratio_by_segment,
    sequential_p_value,
)
from ab_pipeline.experiments.moments import ALL_USERS
from ab_pipeline.experiments.result import Status

THREE = (Variant("off", True, 2), Variant("on", False, 1), Variant("more", False, 1))
DAY = dt.date(2025, 1, 1)


def users(off: int, on: int, more: int, segment: str = ALL_USERS, day: int | None = 0) -> list[AssignedUsers]:
    assigned_on = None if day is None else DAY + dt.timedelta(days=day)
    counts = zip(THREE, (off, on, more), strict=True)
    return [AssignedUsers(variant.variant_id, segment, assigned_on, count) for variant, count in counts]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(150, 10_000), min_size=3, max_size=3))
def test_one_look_is_pearsons_chi_square_of_any_number_of_variants(counts: list[int]) -> None:
    total = sum(counts)
    statistic = sum((n - total * w) ** 2 / (total * w) for n, w in zip(counts, (0.5, 0.25, 0.25), strict=True))
    found = look_p_value(THREE, dict(zip(("off", "on", "more"), counts, strict=True)))
    assert found == pytest.approx(stats.chi2.sf(statistic, 2))


def test_shares_as_declared_pass_and_are_told() -> None:
    gate = sample_ratio(THREE, users(5_000, 2_520, 2_480))
    assert gate.status == Status.PASS
    expected = (
        "off 5,000 (50.0 %, expected 50.0 %), on 2,520 (25.2 %, expected 25.0 %), more 2,480 (24.8 %, expected 25.0 %)"
    )
    assert gate.detail == expected


def test_a_mismatch_fails_though_no_pair_has_lost_many() -> None:
    gate = sample_ratio(THREE, users(5_000, 2_300, 2_700))
    assert gate.status == Status.FAIL
    assert gate.p_value
    assert gate.p_value < 2e-5


def test_a_variant_without_a_row_has_no_users() -> None:
    assert sample_ratio(THREE, users(5_000, 2_500, 0)[:2]).status == Status.FAIL


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 150), st.integers(0, 40), st.floats(0.01, 0.5))
def test_few_users_are_told_exactly(off: int, on: int, share: float) -> None:
    variants = (Variant("off", True, 1 - share), Variant("on", False, share))
    if not 0 < (off + on) * share < 99:
        return
    below, above = stats.binom.cdf(on, off + on, share), stats.binom.sf(on - 1, off + on, share)
    assert look_p_value(variants, {"off": off, "on": on}) == pytest.approx(min(1, 2 * min(below, above)))


def test_a_holdback_that_is_asked_every_day_fails_by_chance_as_seldom_as_promised() -> None:
    """99:1, one expected a day: 5 to 6 % were "do not decide" at some of 60 looks, 1.2 % at the last."""
    rng = np.random.default_rng(1)
    variants = (Variant("off", True, 0.99), Variant("on", False, 0.01))

    def p_value(looks: int, on: int) -> float:
        return sequential_p_value(variants, {"off": 100 * looks - on, "on": on}) or 1.0

    counts = rng.binomial(100, 0.01, (400, 60)).cumsum(axis=1)
    ever = [any(p_value(day + 1, int(on)) < 0.01 for day, on in enumerate(row)) for row in counts]
    assert np.mean(ever) <= 0.01
    of_days = [
        sample_ratio_by_day(
            variants,
            [
                AssignedUsers(name, ALL_USERS, DAY + dt.timedelta(days=day), int(n))
                for day, k in enumerate(row)
                for name, n in (("off", 100 - k), ("on", k))
            ],
        )
        for row in rng.binomial(100, 0.01, (300, 60))
    ]
    assert np.mean([gate.status == Status.FAIL for gate in of_days]) <= 0.01


@pytest.mark.parametrize(("n", "share"), [(2_000, 0.45), (10_000, 0.475), (100_000, 0.4915)])
def test_asking_every_day_still_finds_what_is_wrong(n: int, share: float) -> None:
    variants = (Variant("off", True, 1), Variant("on", False, 1))
    assert (sequential_p_value(variants, {"off": round(n * (1 - share)), "on": round(n * share)}) or 1) < 0.01


def test_a_handful_of_users_tells_little_and_none_nothing() -> None:
    assert sample_ratio(THREE, users(10, 0, 0)).status == Status.PASS
    assert sample_ratio(THREE, []).status == Status.SKIPPED


def test_segments_and_days_are_asked_each_though_the_whole_is_right() -> None:
    rows = [
        *users(5_000, 2_500, 2_500, day=0),
        *users(5_000, 2_900, 2_100, day=1),
        *users(5_000, 2_100, 2_900, day=2),
        *users(7_500, 4_200, 3_300, "age:18-24"),
        *users(7_500, 3_300, 4_200, "age:25-34"),
    ]
    assert sample_ratio(THREE, rows).status == Status.PASS
    by_day = sample_ratio_by_day(THREE, rows)
    assert (by_day.status, by_day.detail[:31]) == (Status.FAIL, "2 of 3, the worst 2025-01-02: o")
    by_segment = sample_ratio_by_segment(THREE, rows)
    assert (by_segment.status, by_segment.detail[:30]) == (Status.FAIL, "2 of 2, the worst age:18-24: o")


def test_many_days_are_allowed_their_extremes() -> None:
    """One day of a hundred with p = .0001 is no surprise."""
    odd = users(5_000, 2_650, 2_350, day=0)
    assert sample_ratio_by_day(THREE, odd).status == Status.FAIL
    many = [row for day in range(1, 100) for row in users(5_000, 2_500, 2_500, day=day)]
    assert sample_ratio_by_day(THREE, [*odd, *many]).status == Status.PASS


def test_without_days_of_assignment_there_is_nothing_by_day() -> None:
    rows = users(5_000, 2_500, 2_500, day=None)
    assert sample_ratio(THREE, rows).status == Status.PASS
    assert sample_ratio_by_day(THREE, rows).status == Status.SKIPPED
    assert receives_users(THREE, rows).status == Status.SKIPPED


def test_a_variant_that_stopped_is_named_with_its_last_day() -> None:
    rows = [*users(50, 25, 25), *users(50, 25, 0, day=1)]
    gate = receives_users(THREE, rows)
    assert gate.detail == "more got none of 75 users since 2025-01-01"
    assert (gate.status, gate.p_value) == (Status.FAIL, pytest.approx(0.75**75))


def test_a_variant_that_never_began_is_named() -> None:
    assert receives_users(THREE, users(50, 25, 0)).detail == "more got none of 75 users ever"


def test_a_few_users_elsewhere_are_chance() -> None:
    gate = receives_users(THREE, [*users(50, 25, 25), *users(3, 2, 0, day=1)])
    assert (gate.status, gate.p_value) == (Status.PASS, pytest.approx(0.75**5))
