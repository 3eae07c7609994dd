"""The change log that dbt writes with each build, and the way back to the build before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from ab_pipeline.rollback import DayDiff, diff, roll_back
from ab_pipeline_tests.dbt_warehouse import DbtError, DbtWarehouse, days
from ab_pipeline_tests.integration.history import (
    ALL_DAYS,
    JAN_1,
    JAN_2,
    JAN_3,
    JAN_4,
    JAN_5,
    add_one_cent,
    is_as_mandated,
)
from ab_pipeline_tests.mandated import BUILT_TABLE, COLUMNS, Row

pytestmark = pytest.mark.says_the_same_on_redshift

LOG = "analytics.analytics_variant_user_daily_changes"
NEWER_METADATA = "insert into raw_data.user_metadata values (1, '35-44', null, '2025-02-01')"


def rows(warehouse: DbtWarehouse) -> set[Row]:
    return set(warehouse.execute(BUILT_TABLE))


def logged(warehouse: DbtWarehouse, change: str) -> set[Row]:
    return set(warehouse.execute(f"select {COLUMNS} from {LOG} where change = ?", [change]))


def logged_days(warehouse: DbtWarehouse) -> list[date]:
    return [day for (day,) in warehouse.execute(f"select distinct datestamp from {LOG} order by 1")]


def differences(warehouse: DbtWarehouse, first: date, last: date) -> Sequence[DayDiff]:
    with warehouse.session() as session:
        return diff(session, first, last)


def rolled_back(warehouse: DbtWarehouse, first: date, last: date) -> Sequence[date]:
    with warehouse.session() as session:
        return roll_back(session, diff(session, first, last))


# What is logged


@pytest.mark.parametrize(
    "change",
    [
        "insert into raw_data.user_event values (1, '2025-01-02', 9, 0, 0, 1)",
        "update raw_data.user_event set paidamount = null, purchased = null where user_id = 1",
        "delete from raw_data.user_event where cast(datestamp as date) = '2025-01-02'",
        "insert into raw_data.user_variant values (1, null, null)",
        "update raw_data.user_variant set variant_id = null",
        NEWER_METADATA,
        "delete from raw_data.user_metadata where user_id = 1",
    ],
)
def test_the_log_is_what_the_build_changed_in_the_window_and_outside(history: DbtWarehouse, change: str) -> None:
    before = rows(history)
    history.execute(change)
    history.refresh(days(JAN_2, JAN_3))
    after = rows(history)
    assert before != after
    assert (logged(history, "removed"), logged(history, "added")) == (before - after, after - before)


def test_a_build_that_changes_nothing_logs_nothing(history: DbtWarehouse) -> None:
    history.refresh(days(JAN_1, JAN_5))
    assert logged_days(history) == []
    add_one_cent(history, JAN_2)
    history.refresh(days(JAN_2, JAN_3))
    before = set(history.execute(f"select * from {LOG}"))
    history.refresh(days(JAN_1, JAN_5))
    assert set(history.execute(f"select * from {LOG}")) == before


def test_the_log_keeps_the_newest_change_of_each_day(history: DbtWarehouse) -> None:
    add_one_cent(history, JAN_1, JAN_2)
    history.refresh(days(JAN_1, JAN_3))
    before = rows(history)
    add_one_cent(history, JAN_2)
    history.refresh(days(JAN_1, JAN_3))
    assert {row for row in logged(history, "removed") if row[2] == JAN_2} == before - rows(history)
    first, second = differences(history, JAN_1, JAN_2)
    assert first.change
    assert second.change
    assert first.change.build_id != second.change.build_id
    assert history.execute(f"select count(*) from {LOG}") == [(4,)]


def test_a_build_is_named_as_built_day_names_it(history: DbtWarehouse) -> None:
    add_one_cent(history, JAN_2)
    history.refresh(days(JAN_2, JAN_3))
    [named] = history.execute(f"select distinct datestamp, build_id, built_at from {LOG}")
    assert history.execute(
        "select datestamp, build_id, built_at from analytics.built_day where datestamp = ?", [JAN_2]
    ) == [named]


def test_rows_without_a_day_are_in_no_day_and_not_logged(history: DbtWarehouse) -> None:
    history.execute("insert into raw_data.user_event values (1, null, 7, 1, 1, 50)")
    history.refresh(days(JAN_1, JAN_2))
    assert logged_days(history) == []


def test_the_facts_are_not_logged(history: DbtWarehouse) -> None:
    add_one_cent(history, JAN_1)
    history.refresh(days(JAN_1, JAN_2), select="fact_user_event")
    assert logged_days(history) == []


def test_a_full_refresh_has_no_build_before_it(history: DbtWarehouse) -> None:
    add_one_cent(history, JAN_1, JAN_2)
    history.refresh(days(JAN_1, JAN_3))
    rolled_back(history, JAN_1, JAN_1)
    history.refresh(full=True)
    assert logged_days(history) == []
    assert history.execute("select * from analytics.rolled_back_day") == []
    assert is_as_mandated(history)


def test_a_build_that_fails_logs_nothing(history: DbtWarehouse) -> None:
    add_one_cent(history, JAN_1)
    history.execute("alter table analytics.built_day rename signature to taken_away")
    with pytest.raises(DbtError, match="signature"):
        history.refresh(days(JAN_1, JAN_2), select="analytics_variant_user_daily")
    assert logged_days(history) == []


# The way back


def test_a_rollback_restores_the_rows_of_its_days_and_a_refresh_ends_it(history: DbtWarehouse) -> None:
    before = rows(history)
    add_one_cent(history, *ALL_DAYS)
    history.execute(NEWER_METADATA)
    history.execute("insert into raw_data.user_variant values (2, null, null)")
    history.execute("delete from raw_data.user_event where cast(datestamp as date) = '2025-01-03'")
    history.refresh(days(JAN_1, JAN_5))
    after = rows(history)
    assert rolled_back(history, JAN_2, JAN_3) == (JAN_2, JAN_3)
    assert rows(history) == {row for row in before if row[2] in (JAN_2, JAN_3)} | {
        row for row in after if row[2] not in (JAN_2, JAN_3)
    }
    history.refresh(days(JAN_2, JAN_4))
    assert is_as_mandated(history)
    assert history.execute("select * from analytics.rolled_back_day") == []


def test_a_rollback_is_not_seen_by_whoever_compares_signatures(history: DbtWarehouse) -> None:
    add_one_cent(history, JAN_2)
    history.refresh(days(JAN_2, JAN_3))
    before = set(history.execute("select * from analytics.built_day"))
    rolled_back(history, JAN_2, JAN_2)
    assert set(history.execute("select * from analytics.built_day")) == before


def test_a_rolled_back_day_is_named_by_a_check_until_its_window_is_built(history: DbtWarehouse) -> None:
    add_one_cent(history, JAN_2, JAN_3)
    history.refresh(days(JAN_2, JAN_4))
    rolled_back(history, JAN_2, JAN_3)
    check = ("test", "--select", "no_day_is_rolled_back", "--warn-error")
    with pytest.raises(DbtError, match="Got 2 results"):
        history.dbt(*check)
    history.refresh(days(JAN_3, JAN_4))
    with pytest.raises(DbtError, match="Got 1 result"):
        history.dbt(*check)
    history.refresh(days(JAN_2, JAN_3))
    history.dbt(*check)


def test_a_rolled_back_day_waits_with_the_rows_of_changed_users(history: DbtWarehouse) -> None:
    """Rows that are built again come from the newer build's facts: the day would be half of each."""
    before = {row for row in rows(history) if row[2] == JAN_2}
    add_one_cent(history, JAN_2)
    history.refresh(days(JAN_2, JAN_3))
    rolled_back(history, JAN_2, JAN_2)
    history.execute(NEWER_METADATA)
    history.refresh(days(JAN_4, JAN_5))
    assert {row for row in rows(history) if row[2] == JAN_2} == before
    history.refresh(days(JAN_2, JAN_3))
    assert is_as_mandated(history)


def test_the_raw_day_going_back_leaves_nothing_to_roll_back_once_it_is_built(history: DbtWarehouse) -> None:
    add_one_cent(history, JAN_2)
    history.refresh(days(JAN_2, JAN_3))
    rolled_back(history, JAN_2, JAN_2)
    history.execute("delete from raw_data.user_event where item_id = 9")
    history.refresh(days(JAN_2, JAN_3))
    assert is_as_mandated(history)
    [day] = differences(history, JAN_2, JAN_2)
    assert (day.change, day.rolled_back_at) == (None, None)
