"""The gates that compare a share, or two sums, with a limit."""

from __future__ import annotations

import datetime as dt

import pytest

from ab_pipeline.experiments.evidence import RawComparison
from ab_pipeline.experiments.gates.shares import missing_metadata, reconciles, several_variants
from ab_pipeline.experiments.result import Status


@pytest.mark.parametrize(
    ("several", "status"),
    [(0, Status.PASS), (10, Status.PASS), (11, Status.WARN), (100, Status.WARN), (101, Status.FAIL)],
)
def test_users_in_several_variants(several: int, status: Status) -> None:
    gate = several_variants(several, 10_000 - several)
    assert gate.status == status
    assert gate.detail.startswith(f"{several:,} of 10,000 users in several variants")


@pytest.mark.parametrize(
    ("missing", "status"),
    [(None, Status.SKIPPED), (0, Status.PASS), (51, Status.WARN), (200, Status.WARN), (201, Status.FAIL)],
)
def test_users_without_metadata(missing: int | None, status: Status) -> None:
    assert missing_metadata(missing, 1_000).status == status


def test_no_users_have_no_shares() -> None:
    assert several_variants(0, 0).status == missing_metadata(0, 0).status == Status.SKIPPED


DAYS = tuple(dt.date(2025, 2, day) for day in range(10, 15))


def test_days_that_are_built_from_what_raw_holds_pass() -> None:
    found = reconciles(RawComparison(DAYS))
    assert found.status == Status.PASS
    assert found.detail == ("of 5 days compared, 2025-02-10 to 2025-02-14, each is built from what the raw table holds")


def test_a_day_that_was_never_built_fails() -> None:
    """TRUTH.md T1: it passed, since the built fact stood for the raw table."""
    found = reconciles(RawComparison(DAYS, not_built=DAYS[2:3]))
    assert found.status == Status.FAIL
    assert "2025-02-12 is not built yet, so that raw rows are not counted" in found.detail


def test_a_day_that_differs_is_on_its_way_once_and_fails_the_next_time() -> None:
    assert reconciles(RawComparison(DAYS, on_their_way=DAYS[:1])).status == Status.WARN
    assert reconciles(RawComparison(DAYS, differing=DAYS[:1])).status == Status.FAIL


def test_a_day_that_is_rolled_back_is_named() -> None:
    found = reconciles(RawComparison(DAYS, rolled_back=DAYS[4:]))
    assert found.status == Status.WARN
    assert found.detail.endswith("2025-02-14 is rolled back to the build before")


def test_what_nobody_compared_is_not_checked() -> None:
    assert reconciles(None).status == Status.SKIPPED
    assert reconciles(RawComparison(())).status == Status.SKIPPED
