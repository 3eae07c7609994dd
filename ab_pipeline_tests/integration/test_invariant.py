"""THE INVARIANT: after any raw changes, once what changed is refreshed, the daily table is the mandated SELECT.

A hypothesis state machine changes the raw tables of a warehouse (raw_changes.py) and refreshes it through the real
dbt project, wholly, in part, or failing half-way. HYPOTHESIS_PROFILE=thorough looks longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from ab_pipeline_tests.dbt_warehouse import DbtError, DbtWarehouse, days
from ab_pipeline_tests.integration.differing_days import differing_days
from ab_pipeline_tests.integration.how_long import HowLong, how_long
from ab_pipeline_tests.integration.raw_changes import DAYS, FIRST_DAY, RawChanges
from ab_pipeline_tests.mandated import COLUMNS, Row, built_rows, mandated_rows

A_DAY = timedelta(days=1)
LOOKBACK = A_DAY  # the `warehouse` fixture sets it
DIMENSIONS = "dim_user_metadata dim_user_variant dim_user"
# added to num_of_items, which is never null: a row that is written again loses it
MARK = 1_000_000

windows = st.sampled_from([(start, end + A_DAY) for start in DAYS for end in DAYS if start <= end])


class Refreshes(RawChanges):
    """Knows from the changes alone, not from the warehouse, which days are settled."""

    def __init__(self, warehouse: DbtWarehouse) -> None:
        super().__init__(warehouse)
        warehouse.execute("create table raw_data.earlier_event as select * from raw_data.user_event")
        self.stale_facts: set[date | None] = set()
        self.stale_days: set[date | None] = set()
        self.are_dimensions_stale = True
        self.are_users_stale = True
        self.is_built = False
        self.built_users: set[Row] = set()
        self.built_days: set[date] = set()
        self.there_is_a_history()

    def day_changed(self, moment: datetime | None) -> None:
        day = moment.date() if moment else None
        self.stale_facts.add(day)
        self.stale_days.add(day)

    def dimensions_changed(self) -> None:
        self.are_dimensions_stale = self.are_users_stale = True

    # Refreshes that succeed

    @rule()
    def changed_days_are_refreshed(self) -> None:
        self.refresh(*self.changed_window())
        self.copy_events("earlier_event", "user_event")

    @rule()
    def changed_days_are_refreshed_one_by_one(self) -> None:
        for day in sorted(day for day in self.stale_days if day) or [FIRST_DAY]:
            self.refresh(day, day + A_DAY)

    @precondition(lambda self: self.is_built)
    @rule()
    def the_days_that_built_day_names_are_refreshed(self) -> None:
        """As a sensor would, which remembers nothing: whatever failed before, this settles every day."""
        differing = differing_days(self.warehouse) or [FIRST_DAY]
        self.refresh(min(differing), max(differing) + A_DAY)
        self.stale_facts.clear()
        self.stale_days.clear()

    @rule(window=windows)
    def some_days_are_refreshed(self, window: tuple[date, date]) -> None:
        self.refresh(*window)

    @rule()
    def the_same_refresh_runs_twice(self) -> None:
        window = self.changed_window()
        self.refresh(*window)
        first = self.table()
        self.refresh(*window)
        assert self.table() == first

    @rule()
    def plain_build(self) -> None:
        start = max(self.built_days) - LOOKBACK if self.built_days else date.min
        with self.rewriting_nothing_else(start, date.max):
            self.warehouse.refresh()
        self.facts_were_built(start, date.max)
        self.are_dimensions_stale = False
        self.analytics_was_built(start, date.max)

    @precondition(lambda self: self.is_built)
    @rule()
    def events_go_back_to_what_they_were(self) -> None:
        """As at the last refresh of everything that had changed: a correction that is withdrawn."""
        for one, other in (("user_event", "earlier_event"), ("earlier_event", "user_event")):
            rows = f"select * from raw_data.{one} except all select * from raw_data.{other}"
            for row in self.warehouse.execute(rows):
                self.day_changed(row[1])
        self.copy_events("user_event", "earlier_event")

    # Refreshes that end early

    @rule(dimension=st.sampled_from([*DIMENSIONS.split()[:2], DIMENSIONS]))
    def only_dimensions_are_built(self, dimension: str) -> None:
        self.warehouse.refresh(select=dimension)
        if dimension == DIMENSIONS:
            self.are_dimensions_stale = False

    @rule(window=windows)
    def only_facts_are_built(self, window: tuple[date, date]) -> None:
        self.warehouse.refresh(days(*window), select="fact_user_event")
        self.facts_were_built(*window)

    @precondition(lambda self: self.is_built)
    @rule(window=windows)
    def only_analytics_is_built(self, window: tuple[date, date]) -> None:
        self.warehouse.refresh(days(*window), select="analytics_variant_user_daily")
        self.analytics_was_built(*window)

    @rule(window=windows)
    def facts_fail(self, window: tuple[date, date]) -> None:
        before = self.table()
        self.warehouse.execute("alter table raw_data.user_event rename to kept")
        self.warehouse.execute(
            "create view raw_data.user_event as"
            " select user_id, datestamp, cast('broken' || cast(user_id as varchar) as integer) as item_id,"
            " clicked, purchased, paidamount"
            " from (select * from raw_data.kept union all select 1, null, 1, 1, 1, 1) as events"
        )
        with pytest.raises(DbtError, match="broken"):
            self.warehouse.refresh(days(*window))
        self.warehouse.execute("drop view raw_data.user_event")
        self.warehouse.execute("alter table raw_data.kept rename to user_event")
        self.are_dimensions_stale = False
        assert self.table() == before

    @precondition(lambda self: self.is_built)
    @rule(window=windows)
    def recording_the_build_fails(self, window: tuple[date, date]) -> None:
        before = self.table()
        # needed only after the rows of the table have been replaced
        self.warehouse.execute("alter table analytics.built_day rename built_at to taken_away")
        with pytest.raises(DbtError, match="built_at"):
            self.warehouse.refresh(days(*window))
        self.warehouse.execute("alter table analytics.built_day rename taken_away to built_at")
        self.facts_were_built(*window)
        self.are_dimensions_stale = False
        assert self.table() == before

    # What holds after each step

    @invariant()
    def settled_days_are_as_mandated(self) -> None:
        if self.is_built and not self.are_users_stale:
            with self.warehouse.connect() as connection:
                built = built_rows(connection, except_days=self.stale_days)
                assert built == mandated_rows(connection, except_days=self.stale_days)

    def teardown(self) -> None:
        self.refresh(*self.changed_window())
        with self.warehouse.connect() as connection:
            assert built_rows(connection) == mandated_rows(connection)
        incremental = self.table()
        self.warehouse.refresh(full=True)
        assert self.table() == incremental

    # The model of what is settled

    def changed_window(self) -> tuple[date, date]:
        changed = [day for day in self.stale_days if day] or [FIRST_DAY]
        return min(changed), max(changed) + A_DAY

    def refresh(self, start: date, end: date) -> None:
        with self.rewriting_nothing_else(start, end):
            self.warehouse.refresh(days(start, end))
        self.facts_were_built(start, end)
        self.are_dimensions_stale = False
        self.analytics_was_built(start, end)

    def facts_were_built(self, start: date, end: date) -> None:
        self.stale_facts -= {day for day in self.stale_facts if day is None or start <= day < end}

    def analytics_was_built(self, start: date, end: date) -> None:
        in_window = {day for day in self.stale_days if day is None or start <= day < end}
        self.stale_days -= in_window - self.stale_facts
        self.are_users_stale = self.are_dimensions_stale
        self.is_built = True
        self.built_users = self.users()
        facts = self.warehouse.execute("select distinct datestamp from analytics.fact_user_event")
        self.built_days = {day for day in self.built_days if not start <= day < end}
        self.built_days |= {day for (day,) in facts if day and start <= day < end}

    def users(self) -> set[Row]:
        columns = "user_id, variant_id, age, gender, num_of_assignments"
        return set(self.warehouse.execute(f"select {columns} from analytics.dim_user where has_metadata"))

    def copy_events(self, to: str, other: str) -> None:
        self.warehouse.execute(f"delete from raw_data.{to}")
        self.warehouse.execute(f"insert into raw_data.{to} select * from raw_data.{other}")

    def table(self) -> list[Row]:
        if not self.is_built:
            return []
        with self.warehouse.connect() as connection:
            return built_rows(connection)

    @contextmanager
    def rewriting_nothing_else(self, start: date, end: date) -> Iterator[None]:
        """Within [start, end) and for users that change, rows may be written. All others must be left alone."""
        if not self.is_built:
            yield
            return
        outside = [row for row in self.table() if row[2] and not start <= row[2] < end]
        self.warehouse.execute(
            f"update analytics.analytics_variant_user_daily set num_of_items = num_of_items + {MARK}"
            " where datestamp < ? or datestamp >= ?",
            [start, end],
        )
        yield
        untouched = self.warehouse.execute(
            f"update analytics.analytics_variant_user_daily set num_of_items = num_of_items - {MARK}"
            f" where num_of_items >= {MARK} returning {COLUMNS}"
        )
        changed = {user for user, *_ in self.built_users ^ self.users()}
        assert Counter(untouched) == Counter(row for row in outside if row[1] not in changed)


@pytest.fixture
def state_machine(warehouse: DbtWarehouse) -> type[Refreshes]:
    class RefreshesOfTheWarehouse(Refreshes):
        def __init__(self) -> None:
            super().__init__(warehouse)

    return RefreshesOfTheWarehouse


def test_the_daily_table_is_the_mandated_select(state_machine: type[Refreshes], warehouse: DbtWarehouse) -> None:
    looked_for = how_long(warehouse.target, local=HowLong(5, 14), redshift=HowLong(2, 8), thorough=HowLong(150, 40))
    run_state_machine_as_test(state_machine, settings=looked_for)
