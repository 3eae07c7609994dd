"""What can happen to the raw tables between two refreshes, as the rules of a hypothesis state machine.

The domains are small, so that changes collide: the same user, day and item again and again.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from ab_pipeline_tests.dbt_warehouse import DbtWarehouse

FIRST_DAY = date(2025, 1, 1)
DAYS = [FIRST_DAY + timedelta(days=i) for i in range(4)]


def midnight(day: date) -> datetime:
    return datetime.combine(day, time())


Event = tuple[int | None, datetime | None, int | None, int | None, int | None, int | None]

users = st.sampled_from([1, 2, 3, 4])
days = st.sampled_from(DAYS)
# the first and the last moment of a day are where windows go wrong
moments = st.builds(
    lambda day, since_midnight: midnight(day) + since_midnight,
    days,
    st.sampled_from([timedelta(), timedelta(hours=12), timedelta(days=1, microseconds=-1)]),
)
events: st.SearchStrategy[Event] = st.tuples(
    st.one_of(users, users, st.none()),
    st.one_of(moments, moments, moments, st.none()),
    st.sampled_from([7, 8, 9, None]),
    st.sampled_from([1, 1, 0, 2, None]),
    st.sampled_from([0, 1, 2, None]),
    st.sampled_from([0, 250, 999, -250, None]),
)
variants = st.sampled_from(["checkout_control", "checkout_new", "search_new", None])
ages = st.sampled_from(["18-24", "25-34", None])
genders = st.sampled_from(["f", "m", None])
update_times = st.one_of(moments, st.none())
# any row of a table, whatever its size
positions = st.integers(min_value=0, max_value=999)


class RawChanges(RuleBasedStateMachine):
    """Changes the raw tables of `warehouse` and notes the days and the dimensions it touched."""

    def __init__(self, warehouse: DbtWarehouse) -> None:
        super().__init__()
        self.warehouse = warehouse
        warehouse.create_raw_tables()

    def day_changed(self, moment: datetime | None) -> None:
        raise NotImplementedError

    def dimensions_changed(self) -> None:
        raise NotImplementedError

    def there_is_a_history(self) -> None:
        """So that the first change already has something to disturb. One user is seen, but not known yet."""
        for user in (1, 2, 3, 4):
            self.events_arrive([(user, midnight(day), 7, 1, 1, 250) for day in DAYS])
            self.a_user_is_assigned(user, "checkout_control", 1)
            if user != 4:
                self.metadata_arrives(user, "18-24", "f", midnight(FIRST_DAY))

    # Events

    @rule(rows=st.lists(events, min_size=1, max_size=4))
    def events_arrive(self, rows: list[Event]) -> None:
        with self.warehouse.connect() as connection:
            for row in rows:
                connection.execute("insert into raw_data.user_event values (?, ?, ?, ?, ?, ?)", row)
        for row in rows:
            self.day_changed(row[1])

    @precondition(lambda self: self.has_rows("user_event"))
    @rule(position=positions, event=events)
    def an_event_is_corrected_in_place(self, position: int, event: Event) -> None:
        row = self.pick("user_event", position)
        self.day_changed(row[2])
        self.day_changed(event[1])
        self.warehouse.execute(
            "update raw_data.user_event set (user_id, datestamp, item_id, clicked, purchased, paidamount)"
            f" = (?, ?, ?, ?, ?, ?) where {self.warehouse.row_id} = ?",
            [*event, row[0]],
        )

    @precondition(lambda self: self.has_rows("user_event"))
    @rule(position=positions)
    def an_event_is_deleted(self, position: int) -> None:
        row = self.pick("user_event", position)
        self.day_changed(row[2])
        self.warehouse.execute(f"delete from raw_data.user_event where {self.warehouse.row_id} = ?", [row[0]])

    @rule(day=days)
    def a_day_is_emptied(self, day: date) -> None:
        self.day_changed(midnight(day))
        self.warehouse.execute("delete from raw_data.user_event where cast(datestamp as date) = ?", [day])

    # Users

    @rule(user=users, age=ages, gender=genders, updated_at=update_times)
    def metadata_arrives(self, user: int, age: str | None, gender: str | None, updated_at: datetime | None) -> None:
        self.change_dimensions(
            "insert into raw_data.user_metadata values (?, ?, ?, ?)", [user, age, gender, updated_at]
        )

    @rule(user=users, age=ages, gender=genders)
    def metadata_is_corrected_in_place(self, user: int, age: str | None, gender: str | None) -> None:
        self.change_dimensions(
            "update raw_data.user_metadata set (age, gender) = (?, ?) where user_id = ?", [age, gender, user]
        )

    @precondition(lambda self: self.has_rows("user_metadata"))
    @rule(position=positions)
    def metadata_is_deleted(self, position: int) -> None:
        self.change_dimensions(
            f"delete from raw_data.user_metadata where {self.warehouse.row_id} = ?",
            [self.pick("user_metadata", position)[0]],
        )

    @rule(user=users, variant=variants, copies=st.sampled_from([1, 1, 2]))
    def a_user_is_assigned(self, user: int, variant: str | None, copies: int) -> None:
        for _ in range(copies):
            self.change_dimensions("insert into raw_data.user_variant values (?, ?, null)", [user, variant])

    @rule(user=users, variant=variants)
    def a_user_moves_to_one_variant(self, user: int, variant: str | None) -> None:
        self.change_dimensions("update raw_data.user_variant set variant_id = ? where user_id = ?", [variant, user])

    @precondition(lambda self: self.has_rows("user_variant"))
    @rule(position=positions)
    def an_assignment_is_deleted(self, position: int) -> None:
        self.change_dimensions(
            f"delete from raw_data.user_variant where {self.warehouse.row_id} = ?",
            [self.pick("user_variant", position)[0]],
        )

    def change_dimensions(self, sql: str, parameters: list[Any]) -> None:
        self.warehouse.execute(sql, parameters)
        self.dimensions_changed()

    def has_rows(self, table: str) -> bool:
        return self.warehouse.execute(f"select count(*) from raw_data.{table}") != [(0,)]

    def pick(self, table: str, position: int) -> tuple[Any, ...]:
        """The row id and columns of some row."""
        row_id = self.warehouse.row_id
        rows = self.warehouse.execute(f"select {row_id}, * from raw_data.{table} order by {row_id}")
        return rows[position % len(rows)]
