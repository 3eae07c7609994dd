"""What PostgreSQL, or DuckDB, takes and Redshift does not: a table, each row with the manual's page it comes from.

The stand-in refuses by it what a client sends, and the linter what dbt compiles and what the package's modules hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from ab_pipeline_tests.redshift.matchers import (
    Matcher,
    both,
    calls,
    calls_what_the_manual_lacks,
    has_name_longer_than,
    has_node,
    has_type,
    is_on_both_nodes,
    orders_an_aggregate_without_a_frame,
    says,
    sorts_groups_in_several_orders,
    starts_with,
    sums_a_condition,
)
from ab_pipeline_tests.redshift.messages import SqlError
from ab_pipeline_tests.redshift.statement import Statement

FEATURES, TYPES, FUNCTIONS = (f"Unsupported PostgreSQL {of}" for of in ("features", "data types", "functions"))
_SYNTAX, _NO_FUNCTION, _UNSUPPORTED = "42601", "42883", "0A000"
_NOT_ON_TABLES = "Specified types or functions (one per INFO message) not supported on Redshift tables."


@dataclass(frozen=True)
class Refusal:
    """A row: what is refused, the title of the page that says so, a statement that breaks it, and Redshift's error."""

    name: str
    page: str
    example: str
    matches: Matcher
    code: str = _SYNTAX
    message: str = ""

    @property
    def is_of_names(self) -> bool:
        """Whether it is for the names of the functions that are called."""
        return self.matches is calls_what_the_manual_lacks

    def error(self) -> SqlError:
        return SqlError(self.code, self.message or f"{self.name} is not supported", detail=f"See {self.page!r}.")


def refusal_of(statement: Statement) -> Refusal | None:
    """The first row that a statement breaks."""
    return next((refusal for refusal in REFUSALS if refusal.matches(statement)), None)


def _feature(name: str, example: str, matches: Matcher, page: str = FEATURES, code: str = _SYNTAX) -> Refusal:
    return Refusal(name, page, example, matches, code)


def _function(names: str, example: str) -> Refusal:
    return Refusal(
        f"{names.split(maxsplit=1)[0]}()", FUNCTIONS, example, calls(*names.split()), _UNSUPPORTED, _NOT_ON_TABLES
    )


def _type(names: str, example: str) -> Refusal:
    words = names.split()
    return Refusal(f"type {words[0]}", TYPES, example, has_type(*words), _UNSUPPORTED)


REFUSALS: tuple[Refusal, ...] = (
    # Queries
    _feature("FILTER", "select count(*) filter (where a = 1) from t", has_node(exp.Filter), "Aggregate functions"),
    _feature("DISTINCT ON", "select distinct on (a) a, b from t", says("distinct on ("), "SELECT list"),
    _feature(
        "IS DISTINCT FROM",
        "select a from t where a is not distinct from b",
        says("is distinct from", "is not distinct from"),
        FUNCTIONS,
        _UNSUPPORTED,
    ),
    _feature("LATERAL", "select x.b from t cross join lateral (select t.a as b) as x", says("lateral"), "FROM clause"),
    _feature("TABLESAMPLE", "select a from t tablesample system (10)", says("tablesample"), "FROM clause"),
    _feature(
        "a table function",
        "select n from unnest(t) as t (n)",
        has_node(exp.Unnest, exp.ExplodingGenerateSeries),
        code=_UNSUPPORTED,
    ),
    _feature(
        "a VALUES list as a table",
        "select a from (values (1), (2)) as t (a)",
        has_node(exp.Values, where=lambda node: not isinstance(node.parent, (exp.Insert, exp.When))),
    ),
    _feature(
        "FETCH FIRST", "select a from t order by a fetch first 3 rows only", has_node(exp.Fetch), "ORDER BY clause"
    ),
    _feature("FOR UPDATE", "select a from t for update", says("for update", "for share"), "SELECT"),
    _feature(
        "a materialization hint",
        "with x as materialized (select 1 as a) select a from x",
        says("as materialized (", "as not materialized ("),
        "WITH clause",
    ),
    _feature("FROM without SELECT", "from t", starts_with("from"), "SELECT"),
    _feature("an array", "select array[a, 2] from t", says("array ["), code=_UNSUPPORTED),
    _feature("a row constructor", "select count(distinct row(a, b)) from t", says("row ("), code=_UNSUPPORTED),
    _feature(
        "a distinct pair",
        "select count(distinct (a, b)) from t",
        has_node(exp.Distinct, where=lambda node: any(isinstance(of, exp.Tuple) for of in node.expressions)),
        code=_UNSUPPORTED,
    ),
    _feature("a system column", "select ctid from t", says("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")),
    _feature("full text search", "select a from t where b @@ 'x'", says("@@"), code=_UNSUPPORTED),
    _feature("a JSON operator", "select b -> 'x' from t", says("->", "->>", "@>"), "JSON functions"),
    _feature(
        "a collation",
        'select b from t order by b collate "C"',
        has_node(exp.Collate, where=lambda node: "case" not in node.expression.sql().lower()),
    ),
    # Aggregates and windows
    Refusal(
        "SUM(boolean)",
        "SUM function",
        "select sum(a = 1) from t",
        has_node(exp.Sum, where=sums_a_condition),
        _NO_FUNCTION,
        "function sum(boolean) does not exist",
    ),
    Refusal(
        "several WITHIN GROUP orders",
        "LISTAGG function",
        "select listagg(b) within group (order by a), median(c) from t",
        sorts_groups_in_several_orders,
        _UNSUPPORTED,
        "within group ORDER BY clauses for aggregate functions must be the same",
    ),
    Refusal(
        "CONCAT of other than two",
        "CONCAT function",
        "select concat(b, b, b) from t",
        has_node(exp.Concat, where=lambda node: len(node.expressions) != 2),
        _NO_FUNCTION,
        'function concat("unknown", "unknown", "unknown") does not exist',
    ),
    Refusal(
        "an ordered aggregate without a frame",
        "Window function syntax summary",
        "select sum(a) over (partition by b order by c) from t",
        has_node(exp.Window, where=orders_an_aggregate_without_a_frame),
        _SYNTAX,
        "Aggregate window functions with an ORDER BY clause require a frame clause",
    ),
    _feature(
        "a RANGE or GROUPS frame",
        "select sum(a) over (order by a range between 1 preceding and current row) from t",
        says("range between", "groups between"),
        "Window function syntax summary",
    ),
    _feature(
        "a named window",
        "select rank() over w from t window w as (order by a)",
        has_node(exp.Select, where=lambda node: bool(node.args.get("windows"))),
        "Window function syntax summary",
    ),
    # Changes
    _feature("ON CONFLICT", "insert into t (a) values (1) on conflict do nothing", says("on conflict"), "INSERT"),
    _feature("RETURNING", "delete from t returning a", says("returning"), "DELETE"),
    _feature(
        "SET of several columns",
        "update t set (a, b) = (1, 'x')",
        both(starts_with("update"), says("set (")),
        "UPDATE",
    ),
    _feature(
        "CREATE OR REPLACE TABLE",
        "create or replace table u as select 1 as a",
        says("create or replace table", "create or replace temporary table"),
        "CREATE TABLE",
    ),
    _feature("CREATE INDEX", "create index i on t (a)", starts_with("create index", "create unique index")),
    _feature("CREATE SEQUENCE", "create sequence s", starts_with("create sequence", "create temporary sequence")),
    _feature(
        "CREATE TRIGGER", "create trigger x before insert on t execute function f()", starts_with("create trigger")
    ),
    _feature("CREATE DOMAIN or TYPE", "create type mood as enum ('sad')", starts_with("create type", "create domain")),
    _feature(
        "a CHECK constraint",
        "create table u (a integer check (a > 0))",
        both(starts_with("create table", "alter table"), says("check (")),
    ),
    _feature(
        "an exclusion constraint",
        "create table u (a integer, exclude (a with =))",
        both(starts_with("create table"), says("exclude (")),
    ),
    _feature("inheritance", "create table u () inherits (t)", says("inherits (")),
    _feature("a tablespace", "create table u (a integer) tablespace x", says("tablespace")),
    _feature(
        "a partitioned table",
        "create table u (a integer) partition by range (a)",
        both(starts_with("create table"), says("partition by range (", "partition by list (", "partition by hash (")),
    ),
    _feature(
        "an unlogged table", "create unlogged table u (a integer)", starts_with("create unlogged"), "CREATE TABLE"
    ),
    _feature(
        "ADD COLUMN IF NOT EXISTS",
        "alter table t add column if not exists d integer",
        both(starts_with("alter table"), says("add column if not exists", "add if not exists")),
        "ALTER TABLE",
    ),
    _feature(
        "several columns in one ALTER TABLE",
        "alter table t add column d integer, add column e integer",
        both(starts_with("alter table"), says(", add", ", drop", ", alter")),
        "Features that are implemented differently",
    ),
    Refusal(
        "a change of a column's type",
        "ALTER TABLE",
        "alter table t alter column a type bigint",
        both(
            starts_with("alter table"),
            lambda statement: (
                "ALTER" in statement.words[2:] and "TYPE" in statement.words and not statement.has("VARCHAR")
            ),
        ),
        _UNSUPPORTED,
        "ALTER COLUMN TYPE is only supported for varchar columns",
    ),
    _feature("SAVEPOINT", "savepoint s", starts_with("savepoint", "rollback to"), FUNCTIONS),
    _feature("DO", "do $$ begin end $$", starts_with("do"), "SQL commands"),
    _feature("LISTEN and NOTIFY", "notify x", starts_with("listen", "notify"), "SQL commands"),
    _feature(
        "COPY from or to the client", "copy t to stdout", both(starts_with("copy"), says("stdin", "stdout")), "COPY"
    ),
    _feature("EXPLAIN ANALYZE", "explain analyze select 1", starts_with("explain analyze", "explain ("), "EXPLAIN"),
    # Types
    _type("json jsonb", "select b::jsonb from t"),
    _type("uuid", "create table u (a uuid)"),
    _type("serial bigserial smallserial", "create table u (a serial)"),
    _type("bytea", "create table u (a bytea)"),
    _type("money", "create table u (a money)"),
    _type("bit", "create table u (a bit)"),
    _type("inet cidr macaddr", "create table u (a inet)"),
    _type("xml", "create table u (a xml)"),
    _type("hstore", "create table u (a hstore)"),
    _type("point line box path polygon circle", "create table u (a point)"),
    _type("tsvector tsquery", "create table u (a tsvector)"),
    _type("int4range int8range numrange tsrange daterange", "create table u (a daterange)"),
    _feature(
        "an array type",
        "create table u (a integer[])",
        says("integer [", "int [", "text [", "varchar [", "bigint ["),
        TYPES,
        _UNSUPPORTED,
    ),
    # Functions
    _function("string_agg", "select string_agg(b, ',') from t"),
    _function("array_agg", "select array_agg(a) from t"),
    _function("every", "select every(a = 1) from t"),
    _function("corr", "select corr(a, a) from t"),
    _function("covar_pop covar_samp", "select covar_samp(a, a) from t"),
    _function(
        "regr_slope regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_sxx regr_sxy regr_syy",
        "select regr_slope(a, a) from t",
    ),
    _function("generate_series generate_subscripts", "select generate_series(1, 3)"),
    _function("clock_timestamp transaction_timestamp", "select clock_timestamp()"),
    _function("justify_days justify_hours justify_interval", "select justify_days(interval '40 days')"),
    _function("pg_sleep", "select pg_sleep(0)"),
    _function("div", "select div(7, 2)"),
    _function("setseed", "select setseed(0.5)"),
    _function("width_bucket", "select width_bucket(5, 1, 10, 3)"),
    _function("bit_length", "select bit_length(b) from t"),
    _function("overlay", "select overlay(b placing 'x' from 1) from t"),
    _function("convert_from convert_to encode", "select convert_to(b, 'utf8') from t"),
    _function("format", "select format('%s', b) from t"),
    _function("quote_nullable", "select quote_nullable(b) from t"),
    _function(
        "regexp_matches regexp_split_to_array regexp_split_to_table", "select regexp_split_to_table(b, ',') from t"
    ),
    _function("pg_advisory_lock pg_try_advisory_lock pg_advisory_xact_lock", "select pg_advisory_lock(1)"),
    _function("pg_relation_size pg_total_relation_size pg_database_size", "select pg_relation_size('t')"),
    _function("nextval currval setval lastval", "select nextval('s')"),
    _function("to_tsvector to_tsquery plainto_tsquery", "select to_tsvector(b) from t"),
    _function("array_length cardinality array_append unnest", "select array_length(b, 1) from t"),
    Refusal(
        "a function that the manual does not have",
        "SQL functions reference",
        "select make_date(2025, 1, a) from t",
        calls_what_the_manual_lacks,
        _NO_FUNCTION,
        "function does not exist",
    ),
    # Where and how
    Refusal(
        "the leader node's functions or tables beside the compute nodes'",
        "SQL functions supported on the leader node",
        "select now(), a from t",
        is_on_both_nodes,
        _UNSUPPORTED,
        _NOT_ON_TABLES,
    ),
    Refusal(
        "a name of more than 127 bytes",
        "Names and identifiers",
        f"select a as {'ä' * 64} from t",
        has_name_longer_than(127),
        "42622",
        "identifier is longer than 127 bytes",
    ),
)
