"""The stand-in, asked by the driver that users have: it behaves as Redshift's manual says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import boto3
import pytest
import redshift_connector

from ab_pipeline_tests.redshift.faults import DISK_FULL, SERIALISATION, Fault, Injection
from ab_pipeline_tests.redshift.server import Redshift

COPY = "copy t from 's3://bucket/manifest' iam_role 'arn:aws:iam::123456789012:role/load' format csv manifest"


@pytest.fixture
def connection(redshift: Redshift) -> Iterator[redshift_connector.Connection]:
    with closing(redshift.connect()) as connection:
        connection.autocommit = True
        yield connection


def ask(connection: redshift_connector.Connection, sql: str) -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    cursor.execute(sql)
    return [tuple(row) for row in cursor.fetchall()] if cursor.description else []


def refusal(connection: redshift_connector.Connection, sql: str) -> str:
    with pytest.raises(redshift_connector.Error) as error:
        ask(connection, sql)
    return str(error.value)


# The protocol


def test_every_statement_is_noted_as_often_as_it_runs(
    redshift: Redshift, connection: redshift_connector.Connection
) -> None:
    cursor = connection.cursor()
    for number in (1, 1, 2):
        cursor.execute("select %s", [number])
    assert redshift.statements == ["select $1"] * 3


def test_a_wrong_password_is_refused(redshift: Redshift) -> None:
    with pytest.raises(redshift_connector.InterfaceError, match='password authentication failed for user "awsuser"'):
        replace(redshift, password="wrong").connect()


def test_a_certificate_that_is_not_trusted_ends_the_connection(
    redshift: Redshift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(redshift_connector.InterfaceError, match="CERTIFICATE_VERIFY_FAILED"):
        redshift.connect()


# SQL


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("7 / 2", 3),
        ("avg(a) from (select 1 as a union all select 2) as t", 1),
        ("avg(a) from (select 1.25 as a union all select 2.00) as t", Decimal("1.63")),
        ("cast(2 as decimal(8, 2)) / cast(3 as decimal(8, 2))", Decimal("0.6667")),
        ("cast(1.5 as decimal)", Decimal("2")),
        ("datediff(day, '2025-01-01 23:59:00', '2025-01-02 00:01:00')", 1),
        ("cast(dateadd(month, 1, '2025-01-31') as varchar)", "2025-02-28 00:00:00"),
        ("cast(date_trunc('month', cast('2025-01-31' as date)) as varchar)", "2025-01-01 00:00:00"),
        ("trunc(cast('2025-01-31 10:00' as timestamp))", date(2025, 1, 31)),
        ("nvl(null, 'x')", "x"),
        ("nvl2(a, 1, 2) from (select cast(null as varchar) as a) as t", 2),
        ("strtol('ff', 16)", 255),
        ("cast('äöü' as varchar(4))", "äö"),
        ("a from (select 1 as a union all select 2) as t qualify row_number() over (order by a desc) = 1", 2),
        ("listagg(a, '-') within group (order by a desc) from (select 'x' as a union all select 'y') as t", "y-x"),
    ],
)
def test_an_expression_has_the_value_that_the_manual_gives_it(
    connection: redshift_connector.Connection, expression: str, value: object
) -> None:
    assert ask(connection, f"select {expression}") == [(value,)]


def test_quotes_do_not_keep_the_case_of_a_name(connection: redshift_connector.Connection) -> None:
    ask(connection, 'create table "T" ("A" integer)')
    ask(connection, "insert into t (a) values (1)")
    assert ask(connection, 'select "a" from "t"') == [(1,)]


def test_names_that_differ_after_63_bytes_are_two_names(connection: redshift_connector.Connection) -> None:
    for end in "xy":
        ask(connection, f"create table {'a' * 100}{end} ({end} integer)")
    assert ask(connection, f"select x from {'a' * 100}x") == []


def test_the_length_of_a_varchar_is_bytes(connection: redshift_connector.Connection) -> None:
    ask(connection, "create table t (a varchar(4), b varchar)")
    ask(connection, "insert into t (a) values ('äö')")
    assert "value too long for type character varying(4)" in refusal(connection, "insert into t (a) values ('äöü')")
    ask(connection, f"insert into t (b) values ('{'x' * 256}')")
    assert "varying(256)" in refusal(connection, f"insert into t (b) values ('{'x' * 257}')")


def test_a_late_binding_view_outlives_its_table(connection: redshift_connector.Connection) -> None:
    ask(connection, "create table t as select 1 as a")
    ask(connection, "create view v as select a from public.t with no schema binding")
    ask(connection, "drop table t")
    assert 'relation "public.t" does not exist' in refusal(connection, "select * from v")
    ask(connection, "create table t as select 2 as a")
    assert ask(connection, "select * from v") == [(2,)]


def test_truncate_commits(redshift: Redshift, connection: redshift_connector.Connection) -> None:
    ask(connection, "create table t as select 1 as a")
    for sql in ("begin", "insert into t values (2)", "truncate t", "rollback"):
        ask(connection, sql)
    assert ask(connection, "select count(*) from t") == [(0,)]


def test_two_transactions_that_write_what_the_other_reads_conflict(
    redshift: Redshift, connection: redshift_connector.Connection
) -> None:
    ask(connection, "create table t as select 1 as a")
    with closing(redshift.connect()) as other:
        for session in (connection, other):
            ask(session, "begin" if session is connection else "select 1")
            ask(session, "select sum(a) from t")
            ask(session, "insert into t values (1)")
        other.commit()
        assert "Serializable isolation violation on table" in refusal(connection, "commit")


# System views


def test_the_design_and_the_rows_of_a_table_are_told(connection: redshift_connector.Connection) -> None:
    ask(connection, "create table t diststyle key distkey (a) compound sortkey (b, a) as select 1 as a, 2 as b")
    columns = '"table", diststyle, sortkey1, sortkey_num, tbl_rows'
    assert ask(connection, f"select {columns} from svv_table_info") == [("t", "KEY(a)", "b", 2, 1)]


def test_what_ran_is_told_with_its_query_group(connection: redshift_connector.Connection) -> None:
    for sql in ("set query_group to 'daily'", "create table t as select 1 as a", "insert into t values (1), (2)"):
        ask(connection, sql)
    refusal(connection, "select string_agg(a, ',') from t")
    told = "trim(query_type), trim(status), trim(query_label), trim(query_text)"
    history = ask(connection, f"select {told} from sys_query_history order by query_id")
    assert history[1:4] == [
        ("CTAS", "success", "daily", "create table t as select 1 as a"),
        ("INSERT", "success", "daily", "insert into t values (1), (2)"),
        ("SELECT", "failed", "daily", "select string_agg(a, ',') from t"),
    ]


# COPY


@pytest.fixture
def bucket(s3: str, connection: redshift_connector.Connection) -> Any:
    """A bucket with a manifest of two files, and a table to load them into."""
    ask(connection, "create table t (a integer, b varchar(4))")
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    put = {"one.csv": "1,ä\n2,\n", "two.csv": '3,"x,y"\n', "manifest": json.dumps({"entries": entries("one", "two")})}
    for key, body in put.items():
        client.put_object(Bucket="bucket", Key=key, Body=body.encode())
    return client


def entries(*names: str) -> list[dict[str, Any]]:
    return [{"url": f"s3://bucket/{name}.csv", "mandatory": True} for name in names]


def test_copy_loads_the_files_of_a_manifest(bucket: Any, connection: redshift_connector.Connection) -> None:
    ask(connection, COPY)
    assert ask(connection, "select * from t order by a") == [(1, "ä"), (2, ""), (3, "x,y")]
    loads = "select table_name, loaded_rows, source_file_count, status from sys_load_history"
    assert ask(connection, loads) == [("t", 3, 2, "completed")]


@pytest.mark.parametrize(
    ("body", "line", "reason"),
    [
        ("4,ok\nx,ok\n", 2, 'invalid input syntax for type integer: "x"'),
        ("4,äää\n", 1, "String length exceeds DDL length"),
        ("4\n", 1, "Delimiter not found"),
    ],
)
def test_copy_of_a_row_that_does_not_fit_loads_nothing_and_says_where(
    bucket: Any, connection: redshift_connector.Connection, body: str, line: int, reason: str
) -> None:
    bucket.put_object(Bucket="bucket", Key="two.csv", Body=body.encode())
    assert "Load into table 't' failed.  Check 'sys_load_error_detail'" in refusal(connection, COPY)
    assert ask(connection, "select count(*) from t") == [(0,)]
    where = "select trim(file_name), line_number, trim(error_message) from sys_load_error_detail"
    assert ask(connection, where) == [("s3://bucket/two.csv", line, reason)]


def test_copy_of_a_file_that_is_missing_loads_nothing(bucket: Any, connection: redshift_connector.Connection) -> None:
    bucket.delete_object(Bucket="bucket", Key="two.csv")
    assert "NoSuchKey" in refusal(connection, COPY)
    assert ask(connection, "select count(*) from t") == [(0,)]


# Faults


def test_a_fault_comes_at_its_statement_and_undoes_the_transaction(
    redshift: Redshift, connection: redshift_connector.Connection
) -> None:
    ask(connection, "create table t (a integer)")
    for error in (SERIALISATION, DISK_FULL):
        redshift.faults.inject(Injection(Fault.ERROR, at=2, pattern="^insert", error=error))
        ask(connection, "begin")
        ask(connection, "insert into t values (1)")
        assert error.message in refusal(connection, "insert into t values (2)")
        ask(connection, "rollback")
        assert ask(connection, "select count(*) from t") == [(0,)]


@pytest.mark.parametrize(("kind", "rows"), [(Fault.DROP, 0), (Fault.DROP_AFTER, 1)])
def test_a_connection_is_lost_before_a_statement_or_after_it(redshift: Redshift, kind: Fault, rows: int) -> None:
    with closing(redshift.connect()) as connection:
        connection.autocommit = True
        ask(connection, "create table t (a integer)")
        redshift.faults.inject(Injection(kind, pattern="^insert"))
        assert "server socket closed" in refusal(connection, "insert into t values (1)")
    with closing(redshift.connect()) as connection:
        assert ask(connection, "select count(*) from t") == [(rows,)]


def test_a_slow_statement_can_be_ended_from_another_session(
    redshift: Redshift, connection: redshift_connector.Connection
) -> None:
    [(pid,)] = ask(connection, "select pg_backend_pid()")
    redshift.faults.inject(Injection(Fault.SLOW, pattern="^select 1$", seconds=60))
    ended: list[str] = []
    slow = threading.Thread(target=lambda: ended.append(refusal(connection, "select 1")))
    slow.start()
    with closing(redshift.connect()) as other:
        while not redshift.faults.has_struck or not ended:
            ask(other, f"select pg_cancel_backend({pid})")
            slow.join(0.1)
    assert "canceling statement due to user request" in ended[0]
