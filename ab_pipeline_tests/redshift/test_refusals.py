"""Each row of the table, by its own example: without a server, and on the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
import redshift_connector

from ab_pipeline_tests.redshift.refusals import REFUSALS, Refusal, refusal_of
from ab_pipeline_tests.redshift.server import Redshift
from ab_pipeline_tests.redshift.statement import Statement

rows = pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)


@rows
def test_a_row_finds_its_example(refusal: Refusal) -> None:
    assert refusal.matches(Statement.parse(refusal.example))


@pytest.fixture(scope="module")
def connection(redshift_of_the_session: Redshift) -> Iterator[redshift_connector.Connection]:
    redshift_of_the_session.reset()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(redshift_of_the_session.certificate))
        with closing(redshift_of_the_session.connect()) as connection:
            connection.autocommit = True
            connection.cursor().execute("create schema s")
            connection.cursor().execute("set search_path to s")
            connection.cursor().execute("create table s.t (a integer, b varchar(16), c integer)")
            yield connection


@rows
def test_the_stand_in_refuses_its_example_with_the_error_of_redshift(
    connection: redshift_connector.Connection, refusal: Refusal
) -> None:
    with pytest.raises(redshift_connector.ProgrammingError) as error:
        connection.cursor().execute(refusal.example)
    expected = refusal_of(Statement.parse(refusal.example))
    assert expected
    assert error.value.args[0]["C"] == expected.code
    assert error.value.args[0]["M"] == expected.error().message


@pytest.mark.parametrize(
    "sql",
    [
        "select 'lateral on conflict array [1]' as \"from\" from t",
        "select a, b from t qualify row_number() over (partition by a order by b desc nulls last) = 1",
        "select count(distinct a), sum(case when a = 1 then 1 else 0 end), max(case when a = 1 then b end) from t",
        "select sum(a) over (partition by b order by a rows between unbounded preceding and current row) from t",
        "select sum(a) over (partition by b), lag(a) over (order by b), rank() over (order by b) from t",
        "select listagg(b, ', ') within group (order by a), median(a) from t group by a having count(*) > 1",
        "select percentile_cont(0.5) within group (order by a), median(a) from t",
        "select concat(b, concat('-', b)), b || 'x', nvl(a, 0), a::decimal(10, 2), cast(a as double precision) from t",
        "select approximate count(distinct a), dateadd(day, 1, getdate()), datediff(day, '2025-01-01', sysdate) from t",
        "with x as (select a from t), y (b) as (select a from x) select b from y where b in (select a from x)",
        "create temporary table u diststyle key distkey (a) sortkey (a) as select a from t",
        "insert into t (a, b, c) values (1, 'x', 2), (2, 'y', null)",
        "delete from t using t as other where t.a = other.a",
        "update t set a = other.a from t as other where t.b = other.b",
        "alter table t add column d varchar(16)",
        "alter table t alter column b type varchar(32)",
        "select current_date, a from t",
        "select now(), current_user",
        "vacuum full t to 99 percent",
        "analyze t predicate columns",
        "set query_group to 'daily'",
        "select \"table\", diststyle from svv_table_info",
        "select n.nspname from information_schema.tables as t join pg_namespace as n on table_schema = nspname",
    ],
)  # fmt: skip
def test_what_redshift_takes_the_stand_in_takes(connection: redshift_connector.Connection, sql: str) -> None:
    assert refusal_of(Statement.parse(sql)) is None
    connection.cursor().execute(sql)
