"""The daily table after two builds and the log of what the second changed, as dbt leaves them, without dbt."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import duckdb

from ab_pipeline_tests.mandated import BUILT_TABLE, COLUMNS, Row

CHANGES = "analytics.analytics_variant_user_daily_changes"
JAN_1, JAN_2, JAN_3 = (date(2025, 1, day) for day in (1, 2, 3))
BUILD = "5f3c2a10-0000-4000-8000-000000000002"


def daily_row(
    user: int, day: date | None, variant: str | None = "control", age: str | None = "18-24", revenue: int | None = 100
) -> Row:
    return (variant, user, day, age, None, 1, 1, 1, revenue)


def write_two_builds(connection: duckdb.DuckDBPyConnection, before: Sequence[Row], after: Sequence[Row]) -> None:
    connection.execute(
        f"""
        create schema analytics;
        create table analytics.analytics_variant_user_daily (
            variant_id varchar, user_id integer, datestamp date, age varchar, gender varchar,
            num_of_items bigint, num_of_clicks bigint, num_of_purchases bigint, revenue bigint
        );
        create table rows_before as from analytics.analytics_variant_user_daily;
        create table {CHANGES} as
        select *, null::varchar as build_id, null::timestamp as built_at, null::varchar as change from rows_before;
        create table analytics.rolled_back_day (datestamp date, build_id varchar, rolled_back_at timestamp);
        create table analytics.built_day (datestamp date, signature varchar);
        """
    )
    for table, rows in (("rows_before", before), ("analytics.analytics_variant_user_daily", after)):
        if rows:
            connection.executemany(f"insert into {table} values ({', '.join('?' * 9)})", rows)
    for change, one, other in (
        ("removed", "rows_before", f"({BUILT_TABLE})"),
        ("added", f"({BUILT_TABLE})", "rows_before"),
    ):
        connection.execute(
            f"insert into {CHANGES} select {COLUMNS}, ?, timestamp '2025-01-09 08:00:00', ?"
            f" from (from {one} except from {other}) where datestamp is not null",
            [BUILD, change],
        )
    connection.execute(
        "insert into analytics.built_day"
        " select distinct datestamp, 'signature' from analytics.analytics_variant_user_daily"
    )


def rows_of(connection: duckdb.DuckDBPyConnection, table: str) -> list[Row]:
    return connection.execute(f"select {COLUMNS} from {table} order by all").fetchall()
