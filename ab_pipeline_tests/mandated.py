"""The daily table as its readers were promised it: one plain SELECT over the raw tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, Protocol

Row = tuple[Any, ...]

COLUMNS = "variant_id, user_id, datestamp, age, gender, num_of_items, num_of_clicks, num_of_purchases, revenue"
BUILT_TABLE = f"select {COLUMNS} from analytics.analytics_variant_user_daily"
MANDATED_SELECT = """
select
    variant_id,
    ue.user_id,
    cast(ue.datestamp as date) as datestamp,
    age,
    gender,
    count(distinct item_id) as num_of_items,
    count(distinct case when clicked = 1 then item_id end) as num_of_clicks,
    sum(purchased) as num_of_purchases,
    sum(paidamount) as revenue
from raw_data.user_event as ue
inner join raw_data.user_variant as uv on ue.user_id = uv.user_id
inner join (
    select distinct on (user_id) user_id, age, gender
    from raw_data.user_metadata
    order by user_id, updated_at desc nulls last, age asc nulls last, gender asc nulls last
) as um on uv.user_id = um.user_id
group by 1, 2, 3, 4, 5
"""


class Connection(Protocol):
    """DuckDB's, or one that is used like it."""

    def execute(self, sql: str, /) -> Any: ...


def mandated_rows(connection: Connection, *, except_days: Iterable[date | None] = ()) -> list[Row]:
    """What the daily table must hold, sorted, each row as often as it occurs."""
    return _sorted_rows(connection, MANDATED_SELECT, except_days)


def built_rows(connection: Connection, *, except_days: Iterable[date | None] = ()) -> list[Row]:
    """What the daily table holds, sorted, each row as often as it occurs."""
    return _sorted_rows(connection, BUILT_TABLE, except_days)


def num_of_differences(connection: Connection, one: str, other: str) -> int:
    """Rows of either query that the other lacks, counted by the engine: for tables too big to fetch."""
    [(count,)] = connection.execute(
        f"select count(*) from ((({one}) except all ({other})) union all (({other}) except all ({one})))"
    ).fetchall()
    return count


def _sorted_rows(connection: Connection, query: str, except_days: Iterable[date | None]) -> list[Row]:
    rows = connection.execute(query).fetchall()
    left_out = set(except_days)
    return sorted((row for row in rows if row[2] not in left_out), key=_nulls_last)


def _nulls_last(row: Row) -> Row:
    return tuple((True,) if value is None else (False, value) for value in row)
