"""A session on Redshift: what it reads, what it says when it cannot, and how it notices a write."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from ab_pipeline.settings import Settings, load_settings
from ab_pipeline.warehouse.base import ConflictError, WarehouseError, tables_in, transaction
from ab_pipeline.warehouse.redshift import NOT_PERMITTED, RedshiftWarehouse
from ab_pipeline.warehouse.retry import retried
from ab_pipeline_tests.redshift.faults import SERIALISATION, Fault, Injection
from ab_pipeline_tests.redshift.messages import SqlError
from ab_pipeline_tests.redshift.server import Redshift

DAY = dt.date(2025, 1, 2)


@pytest.fixture
def settings(redshift: Redshift) -> Settings:
    return load_settings()


@pytest.fixture
def warehouse(settings: Settings) -> RedshiftWarehouse:
    """With one table, of one row."""
    warehouse = RedshiftWarehouse(settings)
    with warehouse.open(read_only=False) as session:
        session.run("create schema analytics")
        session.run("create table analytics.t (x integer)")
        session.run("insert into analytics.t values (1)")
    return warehouse


def number(warehouse: RedshiftWarehouse) -> int:
    with warehouse.open() as session:
        return session.rows("select x from analytics.t")[0][0]


def set_number(warehouse: RedshiftWarehouse, value: int) -> None:
    with warehouse.open(read_only=False) as session, transaction(session):
        session.run("update analytics.t set x = ?", [value])


# reading


def test_parameters_stand_as_question_marks_and_those_in_texts_are_text(warehouse: RedshiftWarehouse) -> None:
    with warehouse.open() as session:
        rows = session.rows("select '?', 'a%s', cast(? as date), ?, cast(sum(1) as decimal(38, 0))", [DAY, "it's ?"])
    assert rows == [("?", "a%s", DAY, "it's ?", Decimal(1))]


def test_tables_and_late_binding_views_are_listed(warehouse: RedshiftWarehouse) -> None:
    with warehouse.open(read_only=False) as session:
        session.run("create view analytics.v as select x from analytics.t with no schema binding")
        assert tables_in(session, "analytics") == {"t", "v"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select 1 as a, cast('x' as varchar) as b", "select 1 as a, cast('y' as varchar) as b"),
        ("select 1 as a, cast(null as varchar) as b", "select 1 as a, cast('-' as varchar) as b"),
        ("select '1' as a, '2' as b", "select '1''2' as a, '' as b"),
        ("select 1 as a, 2 as b", "select 1 as a, 2 as b union all select 1 as a, 2 as b"),
        ("select 1 as a, 2 as b", "select 2 as a, 1 as b"),
    ],
    ids=["value", "null_or_text", "where_a_value_ends", "twice", "order_of_columns"],
)
def test_signatures_differ_where_the_rows_do(warehouse: RedshiftWarehouse, one: str, other: str) -> None:
    with warehouse.open() as session:
        signature = session.signature(["a", "b"])
        [one_signature, other_signature] = [
            session.rows(f"select {signature} from ({rows}) as rows_of") for rows in (one, other)
        ]
    assert one_signature != other_signature


# errors


# the driver leaves the socket of a login that failed to Python's garbage collection
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"redshift_password": SecretStr("hunter2")}, 'does not let us in: password authentication failed for user "'),
        ({"redshift_host": "nowhere.invalid"}, "nowhere.invalid:.* cannot be reached"),
        ({"redshift_port": 1}, "127.0.0.1:1 cannot be reached"),
        ({"redshift_sslmode": "verify-full", "redshift_host": "localhost"}, "localhost:.* cannot be reached"),
    ],
)
def test_no_way_in_is_a_sentence_that_says_why(settings: Settings, wrong: dict[str, Any], sentence: str) -> None:
    with (
        pytest.raises(WarehouseError, match=sentence) as error,
        RedshiftWarehouse(settings.model_copy(update=wrong)).open(),
    ):
        pass
    assert "hunter2" not in str(error.value)


def test_a_statement_may_take_longer_than_a_connection(settings: Settings, redshift: Redshift) -> None:
    impatient = RedshiftWarehouse(settings.model_copy(update={"redshift_connect_timeout": 1}))
    redshift.faults.inject(Injection(Fault.SLOW, pattern="select 42", seconds=1.5))
    with impatient.open() as session:
        assert session.rows("select 42") == [(42,)]


def test_a_connection_that_is_lost_undoes_its_transaction(warehouse: RedshiftWarehouse, redshift: Redshift) -> None:
    redshift.faults.inject(Injection(Fault.DROP, pattern="^commit"))
    with pytest.raises(WarehouseError, match="the connection was lost"):
        set_number(warehouse, 2)
    assert number(warehouse) == 1


# conflicts


def failing_twice(redshift: Redshift) -> None:
    redshift.faults.inject(Injection(Fault.ERROR, pattern="^update", error=SERIALISATION, times=2))


def test_a_transaction_that_met_another_is_done_again(warehouse: RedshiftWarehouse, redshift: Redshift) -> None:
    failing_twice(redshift)
    retried(lambda: set_number(warehouse, 2), 2, first_wait=0.01)
    assert number(warehouse) == 2


def test_it_is_not_done_again_for_ever(warehouse: RedshiftWarehouse, redshift: Redshift) -> None:
    failing_twice(redshift)
    with pytest.raises(ConflictError, match="another transaction got in the way"):
        retried(lambda: set_number(warehouse, 2), 1, first_wait=0.01)
    assert number(warehouse) == 1


# token


@pytest.mark.parametrize(
    "write",
    [
        "insert into analytics.t values (2)",
        "update analytics.t set x = 2",
        "delete from analytics.t",
        "truncate table analytics.t",
        "drop table analytics.t",
    ],
)
def test_every_write_moves_the_token(warehouse: RedshiftWarehouse, write: str) -> None:
    before = warehouse.writes().token
    assert warehouse.writes().token == before
    with warehouse.open(read_only=False) as session:
        session.run(write)
    assert warehouse.writes().token != before


def test_a_commit_moves_the_token_and_what_went_before_it_does_not(warehouse: RedshiftWarehouse) -> None:
    before = warehouse.writes().token
    with warehouse.open(read_only=False) as session:
        with transaction(session):
            session.run("update analytics.t set x = 2")
            assert warehouse.writes().token == before
        assert warehouse.writes().token != before


def test_without_the_permission_every_look_is_a_comparison(settings: Settings, redshift: Redshift) -> None:
    refused = SqlError("42501", "permission denied for relation sys_transaction_history")
    redshift.faults.inject(Injection(Fault.ERROR, pattern="sys_transaction_history", error=refused, times=2))
    first, second = (RedshiftWarehouse(settings).writes().token for _ in range(2))
    assert first.startswith(NOT_PERMITTED)
    assert first != second
