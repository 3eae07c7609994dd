"""Which days are due, and in which runs they are requested."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ab_pipeline.automation.plan import BuiltDay, DaySignature, DueDay, Failures, Plan, due_days, plan_refreshes

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
FIRST = date(2025, 1, 1)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def due(*numbers: int) -> list[DueDay]:
    return [DueDay(day(number), f"{number:08x}") for number in numbers]


def plan(
    days: Collection[DueDay],
    *,
    in_flight: Collection[date] = (),
    failures: Mapping[DueDay, Failures] | None = None,
    max_days_per_run: int = 100,
    max_runs: int = 10,
) -> Plan:
    return plan_refreshes(
        days,
        in_flight=dict.fromkeys(in_flight, "run a"),
        failures=failures or {},
        now=NOW,
        max_days_per_run=max_days_per_run,
        max_runs=max_runs,
    )


def ranges(made: Plan) -> list[tuple[date, date]]:
    return [(refresh.first, refresh.last) for refresh in made.refreshes]


def test_a_day_is_due_when_its_events_are_not_those_it_was_built_from() -> None:
    same, old, new = DaySignature(2, "same"), DaySignature(2, "old"), DaySignature(2, "new")
    there: dict[date | None, DaySignature] = {day(0): same, day(1): new, day(2): new}
    built: dict[date | None, BuiltDay] = {
        day(0): BuiltDay(same, "a"),
        day(1): BuiltDay(old, "a"),
        day(3): BuiltDay(old, "a"),
    }
    assert due_days(there, built).keys() == {day(1), day(2), day(3)}


def test_a_correction_that_is_taken_back_is_due_again() -> None:
    first, second = DaySignature(2, "first"), DaySignature(2, "second")
    before = due_days({day(0): first}, {})
    after = due_days({day(0): first}, {day(0): BuiltDay(second, "b")})
    assert before.keys() == after.keys() == {day(0)}
    assert before != after


def test_nothing_due_requests_nothing() -> None:
    assert plan([]) == Plan((), ())


def test_adjacent_days_are_one_run_and_a_gap_starts_another() -> None:
    assert ranges(plan(due(1, 2, 3, 7, 9))) == [(day(9), day(9)), (day(7), day(7)), (day(1), day(3))]


def test_a_whole_history_is_few_runs() -> None:
    assert len(plan(due(*range(1000)), max_days_per_run=400).refreshes) == 3


def test_a_day_in_flight_is_not_requested_again() -> None:
    made = plan(due(1, 2, 3), in_flight={day(2)})
    assert ranges(made) == [(day(3), day(3)), (day(1), day(1))]
    assert made.waiting == ("2025-01-03 is being refreshed by run a",)


def test_a_failed_day_waits_longer_each_time() -> None:
    [bad] = due(1)
    for count, minutes in ((1, 1), (2, 2), (3, 4), (30, 360)):
        just_before = Failures(count, NOW - timedelta(minutes=minutes) + timedelta(seconds=1))
        assert ranges(plan([bad], failures={bad: just_before})) == []
        assert ranges(plan([bad], failures={bad: Failures(count, NOW - timedelta(minutes=minutes))})) == [(day(1),) * 2]


def test_a_waiting_day_says_how_often_it_failed_and_when_it_is_tried_again() -> None:
    [bad] = due(1)
    made = plan([bad], failures={bad: Failures(3, NOW)})
    assert made.waiting == ("2025-01-02 failed 3 times, next try at 2025-03-01 12:04 UTC",)


def test_new_events_are_tried_at_once_whatever_the_old_ones_did() -> None:
    old, new = DueDay(day(1), "old"), DueDay(day(1), "new")
    assert ranges(plan([new], failures={old: Failures(9, NOW)})) == [(day(1), day(1))]


def test_a_range_that_failed_comes_back_in_halves_until_the_bad_day_stands_alone() -> None:
    days = due(*range(8))
    sizes = []
    for count in (1, 2, 3, 4):
        failures = {due_day: Failures(count, NOW - timedelta(days=1)) for due_day in days}
        sizes.append([len(r.days) for r in plan(days, failures=failures, max_days_per_run=8).refreshes])
    assert sizes == [[4] * 2, [2] * 4, [1] * 8, [1] * 8]


def test_what_failed_does_not_keep_others_waiting() -> None:
    bad, good = due(5, 1)
    failures = {bad: Failures(1, NOW - timedelta(days=1))}
    assert ranges(plan([bad, good], failures=failures, max_runs=1)) == [(day(1), day(1))]


def test_the_run_key_changes_with_the_days_the_events_and_the_attempt() -> None:
    [one] = due(1)
    keys = {
        plan([one]).refreshes[0].run_key,
        plan(due(1, 2)).refreshes[0].run_key,
        plan([DueDay(one.day, "other")]).refreshes[0].run_key,
        plan([one], failures={one: Failures(1, NOW - timedelta(days=1))}).refreshes[0].run_key,
    }
    assert len(keys) == 4
    assert plan([one]).refreshes[0].run_key in keys


@given(
    numbers=st.sets(st.integers(0, 60)),
    in_flight=st.sets(st.integers(0, 60)),
    failed=st.dictionaries(st.integers(0, 60), st.integers(1, 8)),
    minutes=st.integers(0, 600),
    max_days=st.integers(1, 20),
)
def test_every_due_day_is_requested_once_or_waits_for_a_reason(
    numbers: set[int], in_flight: set[int], failed: dict[int, int], minutes: int, max_days: int
) -> None:
    days = due(*numbers)
    failures = {
        due_day: Failures(count, NOW - timedelta(minutes=minutes))
        for number, count in failed.items()
        for due_day in due(number)
    }
    made = plan(
        days, in_flight={day(n) for n in in_flight}, failures=failures, max_days_per_run=max_days, max_runs=1000
    )
    requested = [due_day for refresh in made.refreshes for due_day in refresh.days]
    assert len(requested) == len(set(requested))
    assert set(requested) <= set(days)
    assert {day(n) for n in in_flight}.isdisjoint(due_day.day for due_day in requested)
    assert len(requested) + len(made.waiting) == len(days)
    for refresh in made.refreshes:
        assert len(refresh.days) <= max_days
        assert (refresh.last - refresh.first).days == len(refresh.days) - 1
