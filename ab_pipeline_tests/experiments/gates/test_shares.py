"""The gates that compare a share, or two sums, with a limit."""

from __future__ import annotations

import datetime as dt

import pytest

from ab_pipeline.experiments.evidence import Reconciliation
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


@pytest.mark.parametrize(
    ("raw", "units", "status"),
    [
        (1e12, 1e12 + 500, Status.PASS),
        (1e12, 1e12 + 2_000, Status.FAIL),
        (100.0, 101.0, Status.FAIL),
        (0.0, 0.0, Status.PASS),
        (0.0, 1.0, Status.FAIL),
    ],
)
def test_units_add_up_to_raw_but_for_the_order_of_summation(raw: float, units: float, status: Status) -> None:
    assert reconciles([Reconciliation("revenue", raw, units)]).status == status


def test_only_what_does_not_add_up_is_told() -> None:
    sums = [Reconciliation("events", 5, 5), Reconciliation("revenue", 1234, 1000)]
    assert reconciles(sums).detail == "revenue: raw 1,234, units 1,000"
    assert reconciles(sums[:1]).detail == "events: raw 5, units 5"
    assert reconciles([]).status == Status.SKIPPED


def test_a_day_that_is_rolled_back_is_named() -> None:
    found = reconciles([Reconciliation("events", 5, 5)], [dt.date(2025, 2, 14)])
    assert found.status == Status.WARN
    assert found.detail == "events: raw 5, units 5; without 2025-02-14, rolled back to another build than the events'"
