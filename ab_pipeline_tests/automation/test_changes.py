"""What differs between the raw tables and what is built, read from a DuckDB file that the real dbt project builds."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ab_pipeline.automation.changes import Calendar, Changes, due_in, read_changes
from ab_pipeline.automation.scope import EVERY_DAY, Scope
from ab_pipeline.automation.signatures import STALE_USERS, built_days, raw_days
from ab_pipeline.warehouse.base import WarehouseError
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse, DuckDBFile

JAN_1, JAN_2, JAN_3 = (date(2025, 1, day) for day in (1, 2, 3))
CALENDAR = Calendar(JAN_1, date(2025, 1, 31))
AN_EVENT = "insert into raw_data.user_event values (1, ?, 7, 1, 1, 100)"


def changes(warehouse: DbtWarehouse, scope: Scope = EVERY_DAY) -> Changes:
    with warehouse.session() as session:
        return read_changes(session, CALENDAR, scope)


def changed_days(warehouse: DbtWarehouse) -> set[date | None]:
    return set(changes(warehouse).days)


def changed_dimensions(warehouse: DbtWarehouse) -> set[str]:
    return set(changes(warehouse).dimensions)


@pytest.fixture
def built(warehouse: DbtWarehouse) -> DbtWarehouse:
    """Rows with every kind of value, built once and copied for each test."""
    warehouse.restore("every_kind_of_value", build_rows)
    return warehouse


def build_rows(warehouse: DbtWarehouse) -> None:
    add_rows(warehouse)
    warehouse.refresh()


def add_rows(warehouse: DbtWarehouse) -> None:
    for user in (1, 2):
        warehouse.execute(
            "insert into raw_data.user_variant values (?, 'checkout_control', '2025-01-01 10:00')", [user]
        )
        warehouse.execute("insert into raw_data.user_metadata values (?, '18-24', null, '2025-01-01')", [user])
    for day in (JAN_1, JAN_2, JAN_3):
        for item, amount in ((7, 250), (8, -(2**31)), (9, 2**31 - 1)):
            warehouse.execute("insert into raw_data.user_event values (1, ?, ?, 1, 0, ?)", [day, item, amount])
    warehouse.execute(
        "insert into raw_data.user_event values (null, '2025-01-03 23:59:59.999999', null, null, null, 0)"
    )
    warehouse.execute("insert into raw_data.user_event values (2, null, 7, 1, 1, 1)")


def test_what_was_just_built_differs_in_nothing(built: DbtWarehouse) -> None:
    found = changes(built)
    assert (dict(found.days), dict(found.dimensions)) == ({}, {})


def test_raw_days_and_built_days_have_the_same_signatures(built: DbtWarehouse) -> None:
    with built.session() as session:
        there, then = raw_days(session, date.min), built_days(session, date.min)
    assert there == {day: build.events for day, build in then.items()}
    assert there.keys() == {JAN_1, JAN_2, JAN_3, None}


# Events


@pytest.mark.parametrize(
    "change",
    [
        "insert into raw_data.user_event values (1, '2025-01-02', 7, 1, 0, 250)",
        "delete from raw_data.user_event where {day} and item_id = 7",
        "delete from raw_data.user_event where {day}",
        "update raw_data.user_event set paidamount = 251 where {day} and item_id = 7",
        "update raw_data.user_event set paidamount = case item_id when 7 then 2147483647 else 250 end"
        " where {day} and item_id in (7, 9)",
        "update raw_data.user_event set clicked = purchased, purchased = clicked where {day} and item_id = 7",
        "update raw_data.user_event set purchased = null where {day} and item_id = 7",
        "update raw_data.user_event set user_id = null where {day} and item_id = 7",
        "update raw_data.user_event set paidamount = 2147483647 where {day} and item_id = 8",
        "update raw_data.user_event set datestamp = '2025-01-02 23:59:59.999999' where {day} and item_id = 7",
    ],
    ids=["insert", "delete", "emptied", "update", "swap of rows", "swap of columns", "null", "no user", "edge", "time"],
)
def test_each_kind_of_change_makes_just_its_day_due(built: DbtWarehouse, change: str) -> None:
    built.execute(change.format(day="cast(datestamp as date) = date '2025-01-02'"))
    found = changes(built)
    assert set(found.days) == {JAN_2}
    assert not found.dimensions


def test_an_event_that_moves_to_another_day_makes_both_due(built: DbtWarehouse) -> None:
    built.execute(
        "update raw_data.user_event set datestamp = '2025-01-05' where datestamp = '2025-01-02' and item_id = 7"
    )
    assert changed_days(built) == {JAN_2, date(2025, 1, 5)}


def test_rows_in_another_order_are_the_same_events(built: DbtWarehouse) -> None:
    built.execute("create table raw_data.reversed as from raw_data.user_event order by rowid desc")
    built.execute("drop table raw_data.user_event")
    built.execute("alter table raw_data.reversed rename to user_event")
    assert changed_days(built) == set()


def test_narrower_integers_and_further_columns_are_the_same_events(built: DbtWarehouse) -> None:
    built.execute("alter table raw_data.user_event alter item_id type smallint")
    built.execute("alter table raw_data.user_event add column not_in_the_contract varchar default 'phone'")
    assert changed_days(built) == set()


def test_events_without_a_day_are_a_day_of_their_own_that_the_newest_carries(built: DbtWarehouse) -> None:
    built.execute("update raw_data.user_event set paidamount = 2 where datestamp is null")
    found = changes(built)
    assert set(found.days) == {None}
    due = due_in(CALENDAR, found)
    assert [due_day.day for due_day in due.days] == [due.carrier] == [JAN_3]


def test_facts_that_were_built_without_the_daily_table_leave_their_days_due(built: DbtWarehouse) -> None:
    built.refresh(select="fact_user_event")
    assert changed_days(built) == {JAN_2, JAN_3, None}, "the lookback, and rows without a day"


@pytest.mark.parametrize("table", ["analytics_variant_user_daily", "fact_user_event"])
def test_a_built_table_that_somebody_dropped_is_due(built: DbtWarehouse, table: str) -> None:
    built.execute(f"drop table analytics.{table}")
    assert None in changed_days(built)


def test_without_any_event_the_facts_are_still_built_once(warehouse: DbtWarehouse) -> None:
    warehouse.execute("insert into raw_data.user_variant values (1, 'checkout_control', null)")
    assert changed_days(warehouse) == {None}
    warehouse.refresh()
    assert changed_days(warehouse) == set()


# Days that no run can build


def test_days_outside_the_calendar_are_named_and_not_requested(built: DbtWarehouse) -> None:
    for day in ("2024-12-31", "2025-02-01", "2999-01-01", "9999-12-31", "294000-01-01", "0044-03-15 (BC)"):
        built.execute(AN_EVENT, [day])
    due = due_in(CALENDAR, changes(built))
    assert due.days == ()
    assert [sentence.split(":")[0] for sentence in due.unreachable] == [
        "0001-01-01 changed but is no partition (2025-01-01 to 2025-01-31)",
        "2024-12-31 changed but is no partition (2025-01-01 to 2025-01-31)",
        "2025-02-01 changed but is no partition (2025-01-01 to 2025-01-31)",
        "so did 2 more days that are none",
    ]


def test_days_beyond_those_of_python_are_settled_by_a_full_refresh(built: DbtWarehouse) -> None:
    for day in ("9999-12-31", "294000-01-01", "0044-03-15 (BC)"):
        built.execute(AN_EVENT, [day])
    built.refresh(full=True)
    assert changed_days(built) == set()


def test_the_first_day_of_all_has_no_days_before_it(warehouse: DbtWarehouse) -> None:
    warehouse.execute(AN_EVENT, ["0001-01-02"])
    assert date(1, 1, 2) in changes(warehouse, Scope(timedelta(days=3))).days


def test_only_the_lookback_from_the_newest_day_is_compared_and_all_from_a_day_on_if_asked(built: DbtWarehouse) -> None:
    built.execute("update raw_data.user_event set paidamount = 5")
    assert set(changes(built, Scope(timedelta(days=1))).days) == {JAN_2, JAN_3, None}
    assert set(changes(built, Scope(timedelta(days=1), since=JAN_1)).days) == {JAN_1, JAN_2, JAN_3, None}


# Dimensions


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ("insert into raw_data.user_metadata values (3, null, null, null)", "user_metadata"),
        ("update raw_data.user_metadata set age = null where user_id = 1", "user_metadata"),
        ("update raw_data.user_metadata set age = gender, gender = age", "user_metadata"),
        ("update raw_data.user_metadata set updated_at = '2025-01-02'", "user_metadata"),
        ("delete from raw_data.user_variant where user_id = 2", "user_variant"),
        ("insert into raw_data.user_variant values (1, 'checkout_control', null)", "user_variant"),
        ("update raw_data.user_variant set assigned_at = null", "user_variant"),
    ],
)
def test_a_changed_user_makes_just_the_dimension_stale_until_it_is_built(
    built: DbtWarehouse, change: str, stale: str
) -> None:
    built.execute(change)
    assert (changed_days(built), changed_dimensions(built)) == (set(), {stale})
    built.refresh()
    assert changed_dimensions(built) == set()


def test_users_are_stale_when_the_dimensions_are_built_without_the_daily_table(built: DbtWarehouse) -> None:
    built.execute("update raw_data.user_metadata set age = '25-34'")
    built.refresh(select="dim_user_metadata snapshot_user_metadata")
    assert changed_dimensions(built) == {STALE_USERS}
    built.refresh(select="analytics_variant_user_daily")
    assert changed_dimensions(built) == set()


def test_the_optional_column_may_come_and_go(warehouse: DbtWarehouse) -> None:
    warehouse.execute("insert into raw_data.user_variant values (1, 'checkout_control', '2025-01-01')")
    warehouse.execute("alter table raw_data.user_variant drop column assigned_at")
    warehouse.refresh()
    assert changed_dimensions(warehouse) == set()
    # empty, it is what it was without
    warehouse.execute("alter table raw_data.user_variant add column assigned_at timestamp")
    assert changed_dimensions(warehouse) == set()
    warehouse.execute("update raw_data.user_variant set assigned_at = '2025-01-01'")
    assert changed_dimensions(warehouse) == {"user_variant"}


# Bad input


def test_every_missing_table_and_column_is_named(warehouse: DuckDBFile) -> None:
    warehouse.execute("drop table raw_data.user_metadata")
    warehouse.execute("alter table raw_data.user_event drop column item_id")
    with pytest.raises(WarehouseError) as raised:
        changes(warehouse)
    missing = "raw_data.user_metadata, raw_data.user_event.item_id"
    assert str(raised.value).startswith(
        f"missing in {warehouse.path}: {missing}. Raw tables come from `ab-pipeline load`"
    )


def test_names_in_capitals_are_the_same_names(built: DbtWarehouse) -> None:
    built.execute("alter table raw_data.user_event rename item_id to ITEM_ID")
    built.execute("alter table raw_data.user_variant rename to USER_VARIANT")
    assert (changed_days(built), changed_dimensions(built)) == (set(), set())


def test_a_first_build_that_ended_before_the_users_were_joined_leaves_a_dimension_due(warehouse: DbtWarehouse) -> None:
    warehouse.refresh(select="dim_user_variant dim_user_metadata snapshot_user_variant snapshot_user_metadata")
    assert changed_dimensions(warehouse) == {"dim_user"}


def test_a_dimension_is_due_until_its_history_has_noted_it(built: DbtWarehouse) -> None:
    built.execute("update raw_data.user_metadata set age = '25-34'")
    built.refresh(select="dim_user_metadata dim_user analytics_variant_user_daily")
    assert changed_dimensions(built) == {"user_metadata"}
    built.refresh(select="snapshot_user_metadata")
    assert changed_dimensions(built) == set()
