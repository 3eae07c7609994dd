"""What the newest change of a day was, and its way back."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ab_pipeline.rollback import Change, RollbackError, Totals, changed_rows, diff, roll_back
from ab_pipeline.warehouse.duckdb import DuckDBSession
from ab_pipeline_tests.mandated import Row
from ab_pipeline_tests.two_builds import BUILD, CHANGES, JAN_1, JAN_2, JAN_3, daily_row, rows_of, write_two_builds

DAILY = "analytics.analytics_variant_user_daily"


def two_builds(before: list[Row], after: list[Row]) -> DuckDBSession:
    connection = duckdb.connect()
    write_two_builds(connection, before, after)
    return DuckDBSession(connection)


# What changed


def test_a_row_is_added_removed_or_where_variant_and_user_stay_changed() -> None:
    gone, new = daily_row(1, JAN_1), daily_row(2, JAN_1)
    old_sum, new_sum = daily_row(3, JAN_1, None, revenue=None), daily_row(3, JAN_1, None, revenue=7)
    same = daily_row(4, JAN_1)
    [day] = diff(two_builds([gone, old_sum, same], [new, new_sum, same]), JAN_1, JAN_1)
    assert day.change == Change(BUILD, datetime.fromisoformat("2025-01-09 08:00:00"), added=1, removed=1, changed=1)


def test_totals_are_of_the_day_before_and_after() -> None:
    stays, added = daily_row(1, JAN_1), daily_row(2, JAN_1, revenue=None)
    elsewhere = daily_row(9, JAN_2)
    [day] = diff(two_builds([stays, elsewhere], [stays, added, elsewhere]), JAN_1, JAN_1)
    assert day.before == Totals(users=1, impressions=1, clicks=1, purchases=1, revenue=100)
    assert day.after == Totals(users=2, impressions=2, clicks=2, purchases=2, revenue=100)


def test_a_user_of_two_variants_is_one_user() -> None:
    rows = [daily_row(1, JAN_1, "control"), daily_row(1, JAN_1, "new")]
    [day] = diff(two_builds([], rows), JAN_1, JAN_1)
    assert (day.after.users, day.after.impressions) == (1, 2)


def test_a_day_without_a_change_is_there_and_says_so() -> None:
    rows = [daily_row(1, JAN_1)]
    [day] = diff(two_builds(rows, rows), JAN_1, JAN_3)
    assert (day.day, day.change, day.before) == (JAN_1, None, day.after)


def test_an_emptied_day_is_there() -> None:
    [day] = diff(two_builds([daily_row(1, JAN_1)], []), JAN_1, JAN_1)
    assert (day.before.users, day.after) == (1, Totals())


def test_the_changed_rows_are_shown_in_pairs_old_before_new() -> None:
    session = two_builds([daily_row(2, JAN_1), daily_row(1, JAN_1)], [daily_row(2, JAN_1, age="25-34")])
    columns, rows = changed_rows(session, JAN_1, JAN_1, limit=3)
    assert columns[:5] == ["change", "variant_id", "user_id", "datestamp", "age"]
    assert [row[:5] for row in rows] == [
        ("removed", "control", 1, JAN_1, "18-24"),
        ("removed", "control", 2, JAN_1, "18-24"),
        ("added", "control", 2, JAN_1, "25-34"),
    ]
    assert changed_rows(session, JAN_1, JAN_1, limit=1) == (columns, rows[:1])
    assert changed_rows(session, JAN_2, JAN_2, limit=1) == (columns, [])


# The way back

keys = st.tuples(
    st.sampled_from([None, "control", "new"]), st.integers(1, 3), st.sampled_from([JAN_1, JAN_2, JAN_3, None])
)
contents = st.tuples(st.sampled_from([None, "18-24"]), st.sampled_from([None, 0, 100]))
tables = st.dictionaries(keys, contents).map(
    lambda rows: [daily_row(user, day, variant, *content) for (variant, user, day), content in rows.items()]
)


@settings(deadline=None, max_examples=50)
@given(before=tables, after=tables, last=st.sampled_from([JAN_1, JAN_2]))
def test_the_days_hold_what_they_held_before_and_no_other_day_changes(
    before: list[Row], after: list[Row], last: date
) -> None:
    session = two_builds(before, after)
    in_range = [day for day in (JAN_1, JAN_2) if day <= last]
    expected = [row for row in before if row[2] in in_range] + [row for row in after if row[2] not in in_range]
    try:
        shown = diff(session, JAN_1, last)
        roll_back(session, shown)
    except RollbackError:
        assert sorted(map(str, after)) == sorted(map(str, expected))
    else:
        assert [(day.after, day.before) for day in shown] == [(d.before, d.after) for d in diff(session, JAN_1, last)]
    assert sorted(map(str, rows_of(session.connection, DAILY))) == sorted(map(str, expected))


def test_of_a_range_only_days_with_a_change_are_rolled_back() -> None:
    same = daily_row(1, JAN_1)
    session = two_builds([same], [same, daily_row(1, JAN_2), daily_row(1, JAN_3)])
    assert roll_back(session, diff(session, JAN_1, JAN_2)) == (JAN_2,)
    assert session.rows("select datestamp, build_id from analytics.rolled_back_day") == [(JAN_2, BUILD)]
    assert roll_back(session, diff(session, JAN_1, JAN_3)) == (JAN_3,)
    assert rows_of(session.connection, DAILY) == [same]


def test_what_was_built_stays_as_the_sensor_knows_it() -> None:
    session = two_builds([], [daily_row(1, JAN_1)])
    roll_back(session, diff(session, JAN_1, JAN_1))
    assert session.rows("from analytics.built_day") == [(JAN_1, "signature")]


# What is refused


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        (JAN_2, JAN_1, "the last day, 2025-01-01, is before the first, 2025-01-02"),
        (JAN_3, JAN_3, "2025-01-03 is not built"),
        (JAN_2, JAN_3, "no day from 2025-01-02 to 2025-01-03 is built"),
    ],
)
def test_days_that_are_not_there_are_refused(first: date, last: date, sentence: str) -> None:
    with pytest.raises(RollbackError, match=f"^{sentence}$"):
        diff(two_builds([], [daily_row(1, JAN_1)]), first, last)


@pytest.mark.parametrize("table", [DAILY, CHANGES, "analytics.built_day", "analytics.rolled_back_day"])
def test_a_missing_table_is_named(table: str) -> None:
    session = two_builds([], [])
    session.run(f"drop table {table}")
    with pytest.raises(RollbackError, match=f"^{table} does not exist: a refresh"):
        diff(session, JAN_1, JAN_1)


def test_a_day_without_a_change_cannot_be_rolled_back() -> None:
    rows = [daily_row(1, JAN_1), daily_row(1, JAN_2)]
    session = two_builds(rows, rows)
    with pytest.raises(RollbackError, match=r"^2025-01-01 has no logged change to roll back$"):
        roll_back(session, diff(session, JAN_1, JAN_1))
    with pytest.raises(RollbackError, match=r"^2025-01-01 to 2025-01-02: every day is rolled back already, or has no"):
        roll_back(session, diff(session, JAN_1, JAN_2))


def test_a_day_is_rolled_back_once() -> None:
    session = two_builds([], [daily_row(1, JAN_1)])
    roll_back(session, diff(session, JAN_1, JAN_1))
    with pytest.raises(
        RollbackError, match=r"^2025-01-01 is rolled back already, at .* UTC: a refresh brings the newer"
    ):
        roll_back(session, diff(session, JAN_1, JAN_1))
    assert rows_of(session.connection, DAILY) == []


def test_days_that_are_no_longer_as_they_were_shown_are_left_alone() -> None:
    after = [daily_row(1, JAN_1), daily_row(1, JAN_2)]
    session = two_builds([], after)
    shown = diff(session, JAN_1, JAN_2)
    session.run(f"update {CHANGES} set build_id = 'newer' where datestamp = date '2025-01-02'")
    with pytest.raises(RollbackError, match="the days were built again meanwhile"):
        roll_back(session, shown)
    assert rows_of(session.connection, DAILY) == after


KILLED_AFTER = """
import os, signal, sys
from datetime import date
import duckdb
from ab_pipeline.rollback import diff, roll_back
from ab_pipeline.warehouse.duckdb import DuckDBSession

class Killed(DuckDBSession):
    left = int(sys.argv[2])

    def run(self, sql, parameters=()):
        super().run(sql, parameters)
        Killed.left -= 1
        if not Killed.left:
            os.kill(os.getpid(), signal.SIGKILL)

session = Killed(duckdb.connect(sys.argv[1]))
roll_back(session, diff(session, date(2025, 1, 1), date(2025, 1, 2)))
"""


@pytest.mark.parametrize("statements", range(1, 7))
def test_a_rollback_that_is_killed_did_nothing_or_all(tmp_path: Path, statements: int) -> None:
    path = tmp_path / "warehouse.duckdb"
    before = [daily_row(1, JAN_1), daily_row(1, JAN_2)]
    after = [daily_row(1, JAN_1, revenue=7), daily_row(2, JAN_2)]
    with duckdb.connect(path) as connection:
        write_two_builds(connection, before, after)
    process = subprocess.run([sys.executable, "-c", KILLED_AFTER, path, str(statements)], check=False)
    assert process.returncode == -9
    is_committed = statements == 6
    with duckdb.connect(path) as connection:
        assert rows_of(connection, DAILY) == (before if is_committed else after)
        [(marked,)] = connection.execute("select count(*) from analytics.rolled_back_day").fetchall()
        assert marked == (2 if is_committed else 0)
