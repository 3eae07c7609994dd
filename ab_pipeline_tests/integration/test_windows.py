"""Which days and rows a build replaces, and which it leaves alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ab_pipeline_tests.dbt_warehouse import DbtError, DbtWarehouse, days
from ab_pipeline_tests.integration.history import (
    ALL_DAYS,
    JAN_1,
    JAN_2,
    JAN_3,
    JAN_4,
    JAN_5,
    add_history,
    add_one_cent,
    is_as_mandated,
    revenue_by_day,
)

TODAY = datetime.now(ZoneInfo("UTC")).date()


def test_a_window_replaces_its_first_day_up_to_but_not_its_last(history: DbtWarehouse) -> None:
    add_one_cent(history, *ALL_DAYS)
    history.refresh(days(JAN_2, JAN_4))
    assert revenue_by_day(history) == {JAN_1: 200, JAN_2: 201, JAN_3: 201, JAN_4: 200}


def test_the_last_moment_of_a_day_belongs_to_it(history: DbtWarehouse) -> None:
    history.execute("insert into raw_data.user_event values (1, '2025-01-02 23:59:59.999999', 9, 0, 1, 1)")
    history.refresh(days(JAN_3, JAN_4))
    assert revenue_by_day(history)[JAN_2] == 200
    history.refresh(days(JAN_2, JAN_3))
    assert revenue_by_day(history)[JAN_2] == 201


def test_the_same_window_twice_gives_the_same_rows(history: DbtWarehouse) -> None:
    for _ in range(2):
        history.refresh(days(JAN_2, JAN_4))
        assert is_as_mandated(history)


def test_a_day_that_was_emptied_ends_empty(history: DbtWarehouse) -> None:
    history.execute("delete from raw_data.user_event where cast(datestamp as date) = '2025-01-02'")
    history.refresh(days(JAN_2, JAN_3))
    assert revenue_by_day(history) == {JAN_1: 200, JAN_3: 200, JAN_4: 200}


def test_the_first_build_with_a_window_builds_only_that_window(warehouse: DbtWarehouse) -> None:
    add_history(warehouse)
    warehouse.refresh(days(JAN_2, JAN_3))
    assert revenue_by_day(warehouse) == {JAN_2: 200}
    warehouse.refresh(days(JAN_1, JAN_2))
    assert revenue_by_day(warehouse) == {JAN_1: 200, JAN_2: 200}


def test_empty_raw_tables_build_empty_tables(warehouse: DbtWarehouse) -> None:
    warehouse.refresh()
    warehouse.refresh()
    warehouse.refresh(days(JAN_1, JAN_2))
    assert warehouse.execute("select * from analytics.analytics_variant_user_daily") == []
    add_history(warehouse)
    warehouse.refresh()
    assert is_as_mandated(warehouse)


# Without a window


def test_a_plain_build_looks_back_from_the_newest_built_day(
    history: DbtWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_one_cent(history, *ALL_DAYS)
    history.refresh()
    assert revenue_by_day(history) == {JAN_1: 200, JAN_2: 200, JAN_3: 201, JAN_4: 201}
    monkeypatch.setenv("AB_PIPELINE_LOOKBACK_DAYS", "2")
    history.refresh()
    assert revenue_by_day(history) == {JAN_1: 200, JAN_2: 201, JAN_3: 201, JAN_4: 201}


def test_a_plain_build_takes_in_new_days_and_those_of_the_future(history: DbtWarehouse) -> None:
    tomorrow = TODAY + timedelta(days=1)
    add_one_cent(history, JAN_4 + timedelta(days=30), tomorrow)
    history.refresh()
    assert is_as_mandated(history)


def test_a_day_of_the_future_does_not_move_the_lookback(history: DbtWarehouse) -> None:
    add_one_cent(history, TODAY + timedelta(days=300))
    history.refresh()
    add_one_cent(history, JAN_4)
    history.refresh()
    assert is_as_mandated(history)


def test_full_refresh_rebuilds_every_day(history: DbtWarehouse) -> None:
    add_one_cent(history, *ALL_DAYS)
    history.refresh(full=True)
    assert revenue_by_day(history) == dict.fromkeys(ALL_DAYS, 201)


# Windows that are refused


def test_full_refresh_of_a_window_is_refused(history: DbtWarehouse) -> None:
    before = revenue_by_day(history)
    with pytest.raises(DbtError, match=r"--full-refresh rebuilds every day, but a window was given \(2025-01-02 to"):
        history.refresh(days(JAN_2, JAN_3), full=True)
    assert revenue_by_day(history) == before


@pytest.mark.parametrize(
    ("start", "end"), [("2025-01-02T12:00:00", "2025-01-03"), ("2025-01-02", "2025-01-03T00:00:01")]
)
def test_a_part_of_a_day_is_refused(history: DbtWarehouse, start: str, end: str) -> None:
    add_one_cent(history, *ALL_DAYS)
    with pytest.raises(DbtError, match=r"a window is made of whole days\. Give a date, such as 2025-01-0"):
        history.dbt("build", "--event-time-start", start, "--event-time-end", end)
    assert revenue_by_day(history) == dict.fromkeys(ALL_DAYS, 200)


@pytest.mark.parametrize(("given", "missing"), [("start", "end"), ("end", "start")])
def test_one_end_of_a_window_without_the_other_is_refused(history: DbtWarehouse, given: str, missing: str) -> None:
    with pytest.raises(DbtError, match=f"(?s)event-time-{given}.*event-time-{missing}"):
        history.dbt("build", f"--event-time-{given}", "2025-01-02")


def test_a_window_that_ends_before_it_starts_is_refused(history: DbtWarehouse) -> None:
    with pytest.raises(DbtError, match="must be less than"):
        history.refresh(days(JAN_3, JAN_2))


# Rows outside the window


CHANGES_OF_A_USER = (
    "update raw_data.user_metadata set age = '35-44' where user_id = ?",
    "update raw_data.user_metadata set age = null where user_id = ?",
    "insert into raw_data.user_metadata values (?, '18-24', 'm', '2025-02-01')",
    "delete from raw_data.user_metadata where user_id = ?",
    "update raw_data.user_variant set variant_id = 'search_new' where user_id = ?",
    "insert into raw_data.user_variant values (?, 'search_new', null)",
    "insert into raw_data.user_variant values (?, 'checkout_control', null)",
    "insert into raw_data.user_variant values (?, null, null)",
    "delete from raw_data.user_variant where user_id = ?",
)


def test_changed_users_are_written_again_on_every_day_and_nobody_else(warehouse: DbtWarehouse) -> None:
    unchanged = len(CHANGES_OF_A_USER)
    add_history(warehouse, users=range(unchanged + 1))
    warehouse.refresh()
    warehouse.execute("update analytics.analytics_variant_user_daily set num_of_clicks = -1")
    for user, change in enumerate(CHANGES_OF_A_USER):
        warehouse.execute(change, [user])
    warehouse.refresh(days(JAN_4, JAN_5))
    untouched = warehouse.execute(
        "update analytics.analytics_variant_user_daily set num_of_clicks = 1 where num_of_clicks = -1"
        " returning user_id, datestamp"
    )
    assert sorted(untouched) == [(unchanged, JAN_1), (unchanged, JAN_2), (unchanged, JAN_3)]
    assert is_as_mandated(warehouse)


def test_a_user_whose_metadata_comes_after_the_events_appears_in_every_built_day(history: DbtWarehouse) -> None:
    history.execute(
        "insert into raw_data.user_event select 3, datestamp, 7, 0, 0, 0 from raw_data.user_event where user_id = 1"
    )
    history.execute("insert into raw_data.user_variant values (3, 'checkout_new', null)")
    history.refresh(days(JAN_1, JAN_4))
    history.execute("insert into raw_data.user_metadata values (3, '18-24', 'f', null)")
    history.refresh(days(JAN_4, JAN_5))
    assert is_as_mandated(history)
    [(num_of_days,)] = history.execute("select count(*) from analytics.analytics_variant_user_daily where user_id = 3")
    assert num_of_days == len(ALL_DAYS)


def test_a_changed_user_does_not_appear_on_days_that_were_never_built(warehouse: DbtWarehouse) -> None:
    add_history(warehouse)
    warehouse.refresh(select="fact_user_event")
    warehouse.refresh(days(JAN_2, JAN_3))
    warehouse.execute("update raw_data.user_metadata set age = '35-44'")
    warehouse.refresh(days(JAN_2, JAN_3))
    # half a day, with only the users that changed, would look like a whole one
    assert revenue_by_day(warehouse) == {JAN_2: 200}


def test_rows_without_a_day_are_in_every_window(history: DbtWarehouse) -> None:
    history.execute("insert into raw_data.user_event values (1, null, 7, 1, 1, 50)")
    history.refresh(days(JAN_1, JAN_2))
    assert is_as_mandated(history)
    history.execute("update raw_data.user_event set paidamount = 60 where datestamp is null")
    history.refresh()
    assert is_as_mandated(history)
    history.execute("delete from raw_data.user_event where datestamp is null")
    history.refresh(days(JAN_3, JAN_4))
    assert is_as_mandated(history)


# Metadata in several rows


# a row beside '18-24', 'f', '2025-01-01', and the age that counts
AGES = (
    ("'35-44', 'f', '2024-12-31'", "18-24"),
    ("'35-44', 'f', '2025-01-02'", "35-44"),
    ("null, 'f', '2025-01-02'", None),
    ("'35-44', 'f', null", "18-24"),
    ("'35-44', 'f', '2025-01-01'", "18-24"),
    ("'00-17', 'f', '2025-01-01'", "00-17"),
    ("null, 'f', '2025-01-01'", "18-24"),
)


def test_the_newest_metadata_counts_and_of_equally_new_the_smallest(warehouse: DbtWarehouse) -> None:
    add_history(warehouse, users=range(len(AGES)))
    for user, (row, _) in enumerate(AGES):
        warehouse.execute(f"insert into raw_data.user_metadata values ({user}, {row})")
    warehouse.refresh()
    built = warehouse.execute("select distinct user_id, age from analytics.analytics_variant_user_daily")
    assert dict(built) == dict(enumerate(age for _, age in AGES))
    assert is_as_mandated(warehouse)


# Part of a refresh


def test_facts_that_changed_without_the_daily_table_leave_the_day_to_do(history: DbtWarehouse) -> None:
    """A user's rows are built again from them, so the raw table going back does not make the day right."""
    add_one_cent(history, JAN_1)
    history.refresh(days(JAN_1, JAN_2), select="fact_user_event")
    history.execute("update raw_data.user_metadata set age = '35-44' where user_id = 1")
    history.refresh(days(JAN_3, JAN_4))
    history.execute("delete from raw_data.user_event where item_id = 9")
    unsettled = history.execute("select datestamp from analytics.built_day where signature is null")
    assert unsettled == [(JAN_1,)]
    history.refresh(days(JAN_1, JAN_2))
    assert is_as_mandated(history)
    assert history.execute("select datestamp from analytics.built_day where signature is null") == []


def test_a_daily_table_whose_build_cannot_be_recorded_stays_as_it_was(history: DbtWarehouse) -> None:
    before = revenue_by_day(history)
    add_one_cent(history, JAN_1)
    history.refresh(days(JAN_1, JAN_2), select="fact_user_event")
    history.execute("alter table analytics.built_day rename built_at to taken_away")
    with pytest.raises(DbtError, match="built_at"):
        history.refresh(days(JAN_1, JAN_2))
    assert revenue_by_day(history) == before
