"""Two days of one user, and what a tick says about them."""

from __future__ import annotations

from datetime import date

from ab_pipeline_tests.daemon import Daemon
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse

JAN = [date(2025, 1, day) for day in range(1, 32)]
EVENT = "insert into raw_data.user_event values (1, ?, 7, 1, 1, 100)"


def add_two_days(warehouse: DbtWarehouse) -> None:
    warehouse.execute("insert into raw_data.user_variant values (1, 'checkout_control', null)")
    warehouse.execute("insert into raw_data.user_metadata values (1, '18-24', 'f', '2025-01-01')")
    for day in JAN[:2]:
        warehouse.execute(EVENT, [day])


def build_two_days(warehouse: DbtWarehouse) -> None:
    add_two_days(warehouse)
    warehouse.refresh()


def reason(daemon: Daemon) -> str:
    """Why the tick requests nothing."""
    result = daemon.evaluate()
    assert not result.run_requests
    assert result.skip_reason
    return str(result.skip_reason.skip_message)
