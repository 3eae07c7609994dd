"""Which days a look compares where comparing costs: as few as explain what was written, and every day in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab_pipeline.automation.scope import EVERY_DAY, Budget, Compared, Scope, explains, next_step
from ab_pipeline.warehouse.base import TableTrace

NEWEST = date(2027, 9, 27)
OLDEST = NEWEST - timedelta(days=999)
TRACE = TableTrace(table_id=7, rows=1_000, visible_rows=990)


def compared(rows: int) -> Compared:
    return Compared(since=NEWEST, days=1, older_days=0, of=400, rows=rows)


def test_a_step_goes_eight_times_as_far_and_then_to_every_day() -> None:
    reached, steps = NEWEST - timedelta(days=3), []
    while reached != date.min:
        reached = next_step(reached, NEWEST, OLDEST)
        steps.append(reached)
    assert steps == [NEWEST - timedelta(days=31), NEWEST - timedelta(days=255), date.min]


@given(st.dates(date(2, 1, 1), NEWEST), st.one_of(st.none(), st.dates(date(1, 1, 1), NEWEST)))
def test_every_step_is_further_until_it_is_every_day(reached: date, oldest: date | None) -> None:
    step = next_step(reached, NEWEST, oldest)
    assert step == date.min or step < reached


def test_without_a_step_the_lookback_and_the_days_from_since_on_are_compared() -> None:
    assert Scope(timedelta(days=3)).first_day(NEWEST, None) == NEWEST - timedelta(days=3)
    assert Scope(timedelta(days=3), since=OLDEST).first_day(NEWEST, None) == OLDEST
    assert Scope(timedelta(days=3)).first_day(None, None) == date.min
    assert EVERY_DAY.first_day(NEWEST, OLDEST) == date.min
    assert Scope(timedelta(days=3), step_from=NEWEST).first_day(NEWEST, OLDEST) == NEWEST - timedelta(days=7)


# What a table's size tells


def test_rows_that_were_added_are_explained_by_the_days_that_have_them() -> None:
    more = replace(TRACE, rows=1_005, visible_rows=995)
    assert explains(compared(rows=995), TRACE, more)
    assert not explains(compared(rows=994), TRACE, more), "one of them is of another day"


@pytest.mark.parametrize(
    "now",
    [
        replace(TRACE, rows=1_001),
        replace(TRACE, visible_rows=989),
        replace(TRACE, table_id=8),
        replace(TRACE, rows=990),
    ],
    ids=["updated", "deleted", "swapped", "vacuumed"],
)
def test_rows_that_were_deleted_may_be_of_any_day(now: TableTrace) -> None:
    assert not explains(compared(rows=now.visible_rows), TRACE, now)


def test_of_a_table_that_was_never_seen_nothing_is_explained() -> None:
    assert not explains(compared(rows=990), None, TRACE)


# The budget


def test_credit_comes_back_by_the_hour_up_to_one_comparison() -> None:
    budget = Budget(12)
    assert budget.credit(-1, timedelta(minutes=5)) == pytest.approx(0)
    assert budget.credit(0.5, timedelta(hours=3)) == 1
    assert budget.wait(-0.5) == timedelta(minutes=2.5)
    assert budget.wait(0.01) == timedelta(0)
    assert Budget(None).wait(-5) == timedelta(0)


@pytest.mark.parametrize("days", [10, 60, 400, 1_000, 4_000])
def test_at_the_default_budget_a_row_of_any_age_waits_less_than_ten_minutes(days: int) -> None:
    """A look every thirty seconds, at a table that is written to all the time by what the newest days never explain."""
    budget, every = Budget(12), timedelta(seconds=30)
    oldest = NEWEST - timedelta(days=days - 1)
    base = max(NEWEST - timedelta(days=3), oldest)
    credit, reached, waited, longest, spent = 1.0, base, timedelta(0), timedelta(0), 0.0
    looks = 24 * 120
    for _ in range(looks):
        waited += every
        credit = budget.credit(credit, every)
        if budget.wait(credit):
            continue
        step = next_step(reached, NEWEST, oldest)
        share = 1.0 if step == date.min else ((NEWEST - step).days + 1) / days
        credit, spent = credit - share, spent + share
        reached = step
        if step == date.min:
            longest, waited, reached = max(longest, waited), timedelta(0), base
    assert longest < timedelta(minutes=10)
    assert spent <= 12 * 24 + 2
