"""The days that a sensor would ask for, which remembers nothing and compares raw events with what was built."""

from __future__ import annotations

from datetime import date

from ab_pipeline_tests.dbt_warehouse import DbtWarehouse

_EVENT = ("user_id", "datestamp", "item_id", "clicked", "purchased", "paidamount")
_BUILT_DAYS = "select datestamp, num_of_events, signature from analytics.built_day"


def differing_days(warehouse: DbtWarehouse) -> list[date]:
    """Days whose events are not those that the daily table was built from. Rows without a day need no asking."""
    with warehouse.session() as session:
        raw_days = (
            f"select cast(datestamp as date), count(*), {session.signature(_EVENT)} from raw_data.user_event group by 1"
        )
        differing = set(session.rows(raw_days)) ^ set(session.rows(_BUILT_DAYS))
    return sorted({day for day, *_ in differing if day})
