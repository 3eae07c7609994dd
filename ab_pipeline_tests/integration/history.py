"""Four days of two users, who see and buy the same each day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ab_pipeline_tests.dbt_warehouse import DbtWarehouse
from ab_pipeline_tests.mandated import built_rows, mandated_rows

JAN_1, JAN_2, JAN_3, JAN_4, JAN_5 = (date(2025, 1, day) for day in range(1, 6))
ALL_DAYS = (JAN_1, JAN_2, JAN_3, JAN_4)


def add_history(warehouse: DbtWarehouse, users: Iterable[int] = (1, 2)) -> None:
    """Each user has one item a day, clicked and bought for 100."""
    with warehouse.connect() as connection:
        for user in users:
            connection.execute("insert into raw_data.user_variant values (?, 'checkout_control', null)", [user])
            connection.execute("insert into raw_data.user_metadata values (?, '18-24', 'f', '2025-01-01')", [user])
            for day in ALL_DAYS:
                connection.execute("insert into raw_data.user_event values (?, ?, 7, 1, 1, 100)", [user, day])


def build_history(warehouse: DbtWarehouse) -> None:
    add_history(warehouse)
    warehouse.refresh()


def add_one_cent(warehouse: DbtWarehouse, *days: date) -> None:
    """A late event on each of the days: a day that is built again has a cent more."""
    for day in days:
        warehouse.execute("insert into raw_data.user_event values (1, ?, 9, 0, 0, 1)", [day])


def revenue_by_day(warehouse: DbtWarehouse) -> dict[date, int]:
    return dict(
        warehouse.execute("select datestamp, sum(revenue) from analytics.analytics_variant_user_daily group by 1")
    )


def is_as_mandated(warehouse: DbtWarehouse) -> bool:
    with warehouse.connect() as connection:
        return built_rows(connection) == mandated_rows(connection)
