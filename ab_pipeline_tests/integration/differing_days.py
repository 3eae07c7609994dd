"""The days that a sensor would ask for, which remembers nothing and compares raw events with what was built."""

from __future__ import annotations

from datetime import date

from ab_pipeline_tests.dbt_warehouse import DbtWarehouse

_RAW_DAYS = """
    select cast(datestamp as date) as day, count(*) as num_of_events,
        cast(sum(hash(hash(user_id, datestamp, item_id, clicked, purchased, paidamount))) as varchar) as signature
    from raw_data.user_event group by 1
"""
_BUILT_DAYS = "select datestamp, num_of_events, signature from analytics.built_day"


def differing_days(warehouse: DbtWarehouse) -> list[date]:
    """Days whose events are not those that the daily table was built from. Rows without a day need no asking."""
    one_way, other_way = f"({_RAW_DAYS}) except ({_BUILT_DAYS})", f"({_BUILT_DAYS}) except ({_RAW_DAYS})"
    rows = warehouse.execute(f"select distinct day from (({one_way}) union all ({other_way})) as difference(day)")
    return [day for (day,) in rows if day]
