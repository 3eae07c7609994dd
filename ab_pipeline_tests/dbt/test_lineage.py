from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ab_pipeline.dbt.lineage import column_lineage

RAW = "source.p.raw.event"
SEED = "seed.p.plan"
DIM = "model.p.dim"
FACT = "model.p.fact"


def node(unique_id: str, columns: str, sql: str | None = None) -> dict[str, Any]:
    resource_type, _, *_, name = unique_id.split(".")
    return {
        "unique_id": unique_id,
        "resource_type": resource_type,
        "relation_name": f'"w"."{resource_type}"."{name}"',
        "columns": {column: {"data_type": "integer"} for column in columns.split()},
        "compiled_code": sql,
    }


def manifest(*models: dict[str, Any]) -> Mapping[str, Any]:
    nodes = [node(SEED, "user_id weight"), node(DIM, "user_id age"), *models]
    return {"sources": {RAW: node(RAW, "user_id paid")}, "nodes": {n["unique_id"]: n for n in nodes}}


def lineage_of(sql: str, columns: str = "") -> dict[str, tuple[tuple[str, str], ...]]:
    return column_lineage(manifest(node(FACT, columns, sql)))[FACT]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ('select user_id from "w"."source"."event"', {"user_id": ((RAW, "user_id"),)}),
        ('select USER_ID as who from W.SOURCE."EVENT"', {"who": ((RAW, "user_id"),)}),
        ('select * from "w"."source"."event"', {"user_id": ((RAW, "user_id"),), "paid": ((RAW, "paid"),)}),
        ('select count(*) as n from "w"."source"."event"', {"n": ()}),
        ('select sum(paid) as paid from "w"."source"."event" where user_id > 1', {"paid": ((RAW, "paid"),)}),
    ],
)
def test_a_column_comes_from_the_columns_it_is_computed_from(sql: str, expected: object) -> None:
    assert lineage_of(sql) == expected


def test_ephemeral_parents_are_seen_through() -> None:
    sql = """
        with __dbt__cte__src as (
            with source as (select * from "w"."source"."event"), renamed as (select user_id, paid as amount from source)
            select * from renamed
        ), events as (select * from __dbt__cte__src)
        select user_id, amount from events
    """
    assert lineage_of(sql) == {"user_id": ((RAW, "user_id"),), "amount": ((RAW, "paid"),)}


def test_a_join_and_a_union_have_several_upstream_columns() -> None:
    sql = """
        with both as (
            select user_id, paid from "w"."source"."event" union all select user_id, weight from "w"."seed"."plan"
        )
        select both.user_id, both.paid * dim.age as score
        from both join "w"."model"."dim" as dim on both.user_id = dim.user_id
    """
    assert lineage_of(sql) == {
        "user_id": ((SEED, "user_id"), (RAW, "user_id")),
        "score": ((DIM, "age"), (SEED, "weight"), (RAW, "paid")),
    }


def test_a_declared_column_that_is_not_selected_has_no_upstream() -> None:
    snapshot = node("snapshot.p.history", "user_id age dbt_valid_to", 'select * from "w"."model"."dim"')
    assert column_lineage(manifest(snapshot))["snapshot.p.history"] == {
        "user_id": ((DIM, "user_id"),),
        "age": ((DIM, "age"),),
        "dbt_valid_to": (),
    }


def test_a_table_of_no_node_is_no_upstream() -> None:
    assert lineage_of("select a from elsewhere.t") == {"a": ()}


def test_what_is_not_compiled_has_no_lineage() -> None:
    assert column_lineage(manifest()) == {}


def test_sql_that_cannot_be_read_costs_only_its_own_lineage(caplog: pytest.LogCaptureFixture) -> None:
    broken, good = node(DIM, "a", "select from from"), node(FACT, "", 'select user_id from "w"."source"."event"')
    assert list(column_lineage(manifest(broken, good))) == [FACT]
    assert DIM in caplog.text
