"""A refresh on Redshift that is cut off or fails at some statement: the old table or the new, and the next repairs."""

from __future__ import annotations

from contextlib import closing, suppress

import pytest
import redshift_connector

from ab_pipeline_tests.dbt_warehouse import DbtError, RedshiftDatabase
from ab_pipeline_tests.integration.history import JAN_1, add_one_cent, build_history, is_as_mandated
from ab_pipeline_tests.mandated import BUILT_TABLE, MANDATED_SELECT
from ab_pipeline_tests.redshift.faults import DISK_FULL, SERIALISATION, Fault, Injection
from ab_pipeline_tests.redshift.journal import Execution

INCREMENTAL = "fact_user_event analytics_variant_user_daily"
FACTS = "select * from analytics.fact_user_event"
RAW = (
    "select user_id, cast(datestamp as date), datestamp, item_id, clicked, purchased, paidamount"
    " from raw_data.user_event"
)
STATE = (
    BUILT_TABLE,
    FACTS,
    "select * from analytics.analytics_variant_user_daily_changes",
    "select * from analytics.built_day",
)
LEFT_BEHIND = "select table_name from information_schema.tables where table_schema = 'analytics'"

State = tuple[tuple[object, ...], ...]


def late_event(database: RedshiftDatabase) -> None:
    """Built, but for a cent that came late and a user who changed."""
    build_history(database)
    add_one_cent(database, JAN_1)
    database.execute("update raw_data.user_metadata set age = '35-44' where user_id = 2")
    database.refresh(select="dim_user_metadata dim_user")


@pytest.fixture
def stale(redshift_database: RedshiftDatabase, monkeypatch: pytest.MonkeyPatch) -> RedshiftDatabase:
    # in one order, so that the n-th statement is always the same
    monkeypatch.setenv("AB_PIPELINE_REDSHIFT_THREADS", "1")
    monkeypatch.setenv("AB_PIPELINE_LOOKBACK_DAYS", "30")
    redshift_database.restore("late_event", late_event)
    return redshift_database


def rows(database: RedshiftDatabase, query: str) -> set[tuple[object, ...]]:
    return set(database.execute(query))


def state(database: RedshiftDatabase) -> State:
    return tuple(tuple(sorted(map(str, database.execute(query)))) for query in (*STATE, LEFT_BEHIND))


def replay(database: RedshiftDatabase, executions: list[Execution]) -> bool:
    """Whether all statements ran, each session of dbt's being one of ours. Nothing is undone by hand: we are gone."""
    sessions: dict[int, redshift_connector.Connection] = {}
    try:
        for execution in executions:
            if execution.session not in sessions:
                sessions[execution.session] = database.server.connect()
                sessions[execution.session].autocommit = True
            sessions[execution.session].cursor().execute(execution.sql)
    except (redshift_connector.Error, OSError):
        return False
    finally:
        for session in sessions.values():
            with suppress(redshift_connector.Error, OSError), closing(session):
                pass
    return True


def test_cut_off_at_any_statement_either_table_is_the_old_or_the_new_and_the_next_refresh_repairs(
    stale: RedshiftDatabase,
) -> None:
    """dbt's own statements, sent again by one who is cut off at the first, at the second, and so on."""
    old = {query: rows(stale, query) for query in (BUILT_TABLE, FACTS)}
    stale.refresh(select=INCREMENTAL)
    executions = list(stale.server.journal.executions)
    assert is_as_mandated(stale)
    new = {BUILT_TABLE: rows(stale, MANDATED_SELECT), FACTS: rows(stale, RAW)}
    assert all(old[query] != new[query] for query in old)

    left_behind: dict[State, int] = {}
    for number in range(1, len(executions) + 2):
        stale.server.reset("late_event")
        stale.server.faults.inject(Injection(Fault.DROP, at=number))
        assert replay(stale, executions) == (number > len(executions))
        now = {query: rows(stale, query) for query in old}
        assert all(now[query] in (old[query], new[query]) for query in old), number
        # what is written about the table belongs to the table
        unsettled = stale.execute("select count(*) from analytics.built_day where signature is null")
        is_settled, are_facts_new = unsettled == [(0,)], now[FACTS] == new[FACTS]
        assert (now[BUILT_TABLE] == new[BUILT_TABLE]) == (is_settled and are_facts_new), number
        left_behind.setdefault(state(stale), number)

    assert len(left_behind) >= 3
    for number in left_behind.values():
        stale.server.reset("late_event")
        stale.server.faults.inject(Injection(Fault.DROP, at=number))
        replay(stale, executions)
        stale.server.faults.inject(None)
        stale.refresh(select=INCREMENTAL)
        assert is_as_mandated(stale)


DAILY = '"analytics"."analytics_variant_user_daily"'


@pytest.mark.parametrize(
    ("injection", "message"),
    [
        (Injection(Fault.ERROR, pattern=f"insert into .*{DAILY} ", error=SERIALISATION), "1023"),
        (Injection(Fault.ERROR, pattern='create temporary table.*"analytics_variant_user_daily__dbt', error=DISK_FULL),
         "Disk Full"),
        (Injection(Fault.DROP, pattern=f"delete from .*{DAILY}"), "server socket closed"),
        # it is committed, and dbt is not told
        (Injection(Fault.DROP_AFTER, pattern="^commit", at=3), "server socket closed"),
    ],
    ids=["serialisation", "disk_full", "connection_lost", "connection_lost_in_commit"],
)  # fmt: skip
def test_a_fault_fails_the_build_of_dbt_and_the_next_refresh_repairs(
    stale: RedshiftDatabase, injection: Injection, message: str
) -> None:
    old = rows(stale, BUILT_TABLE)
    stale.server.faults.inject(injection)
    with pytest.raises(DbtError, match=message):
        stale.refresh(select=INCREMENTAL)
    assert stale.server.faults.has_struck
    assert rows(stale, BUILT_TABLE) in (old, rows(stale, MANDATED_SELECT))
    stale.server.faults.inject(None)
    stale.refresh(select=INCREMENTAL)
    assert is_as_mandated(stale)
