"""VACUUM and ANALYZE: what a table needs, and that nothing else runs."""

from __future__ import annotations

import pytest
from dagster import DagsterInstance, ExecuteInProcessResult

from ab_pipeline.maintenance.table_upkeep import TableState, table_upkeep_job
from ab_pipeline.settings import load_settings
from ab_pipeline.warehouse.redshift import RedshiftWarehouse
from ab_pipeline_tests.redshift.faults import Fault, Injection
from ab_pipeline_tests.redshift.messages import SqlError
from ab_pipeline_tests.redshift.server import Redshift


@pytest.mark.parametrize(
    ("unsorted", "deleted", "stats_off", "statements"),
    [
        (5, 10, 10, ()),
        (5.01, 0, 0, ("vacuum sort only analytics.t to 99 percent", "analyze analytics.t")),
        (0, 10.5, 0, ("vacuum delete only analytics.t to 99 percent", "analyze analytics.t")),
        (80, 30, 0, ("vacuum full analytics.t to 99 percent", "analyze analytics.t")),
        (0, 0, 10.01, ("analyze analytics.t",)),
    ],
    ids=["nothing", "order", "space", "both", "statistics"],
)
def test_a_table_gets_what_it_needs(
    unsorted: float, deleted: float, stats_off: float, statements: tuple[str, ...]
) -> None:
    assert TableState("t", unsorted, deleted, stats_off).statements == statements


def upkeep() -> ExecuteInProcessResult:
    with DagsterInstance.ephemeral() as instance:
        return table_upkeep_job(RedshiftWarehouse(load_settings()), "warehouse").execute_in_process(instance=instance)


def statements_of(redshift: Redshift) -> list[str]:
    return [sql for sql in redshift.statements if sql.lower().startswith(("vacuum", "analyze"))]


def test_a_table_that_was_filled_is_analyzed_and_one_that_is_in_order_is_left_alone(redshift: Redshift) -> None:
    with RedshiftWarehouse(load_settings()).open(read_only=False) as session:
        session.run("create schema analytics")
        session.run("create table analytics.filled (x integer)")
        session.run("insert into analytics.filled values (1), (2)")
        # of somebody else
        session.run("create table public.other (x integer)")
        session.run("insert into public.other values (1), (2)")
    assert upkeep().success
    assert statements_of(redshift) == ["vacuum sort only analytics.filled to 99 percent", "analyze analytics.filled"]
    redshift.journal.clear()
    assert upkeep().success
    assert statements_of(redshift) == []


def test_who_may_not_look_is_told_what_to_grant(redshift: Redshift, capsys: pytest.CaptureFixture[str]) -> None:
    refused = SqlError("42501", "permission denied for relation svv_table_info")
    redshift.faults.inject(Injection(Fault.ERROR, pattern="svv_table_info", error=refused))
    assert upkeep().success
    assert "grant select on svv_table_info, or role sys:monitor" in capsys.readouterr().err
    assert statements_of(redshift) == []
