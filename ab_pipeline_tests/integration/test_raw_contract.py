"""Raw tables that are not as promised stop a build before it writes, with a sentence that names what is wrong."""

from __future__ import annotations

import pytest

from ab_pipeline_tests.dbt_warehouse import DbtError, DbtWarehouse
from ab_pipeline_tests.integration.history import add_history, is_as_mandated

EVENT, VARIANT, METADATA = "raw_data.user_event", "raw_data.user_variant", "raw_data.user_metadata"


def retyped(table: str, column: str, type_: str) -> str:
    """By a new column, since not every type can be made of every other."""
    return f"alter table {table} drop column {column}; alter table {table} add column {column} {type_}"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (f"drop table {EVENT}", f"{EVENT} does not exist\n *`ab-pipeline load user_event FILE` loads one"),
        (f"drop table {METADATA}", f"{METADATA} does not exist"),
        (f"alter table {EVENT} drop item_id", rf"{EVENT}.item_id is missing \(integer\); the table has user_id, "),
        (retyped(EVENT, "user_id", "bigint"), f"{EVENT}.user_id is bigint, expected integer"),
        (retyped(VARIANT, "user_id", "bigint"), f"{VARIANT}.user_id is bigint, expected integer"),
        (retyped(EVENT, "datestamp", "date"), f"{EVENT}.datestamp is date, expected timestamp"),
        (
            retyped(EVENT, "datestamp", "timestamptz"),
            f"{EVENT}.datestamp is timestamp with time zone, expected timestamp",
        ),
        (retyped(EVENT, "clicked", "boolean"), f"{EVENT}.clicked is boolean, expected integer"),
        (
            retyped(EVENT, "paidamount", "double precision"),
            f"{EVENT}.paidamount is double( precision)?, expected integer",
        ),
        (retyped(METADATA, "age", "integer"), f"{METADATA}.age is integer, expected varchar"),
        (
            retyped(VARIANT, "assigned_at", "varchar(256)"),
            rf"{VARIANT}.assigned_at is character varying\(256\), expected timestamp",
        ),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(warehouse: DbtWarehouse, change: str, sentence: str) -> None:
    warehouse.execute(change)
    with pytest.raises(DbtError, match=sentence):
        warehouse.refresh()
    assert warehouse.execute("select table_name from information_schema.tables where table_schema = 'analytics'") == []


def test_everything_that_is_wrong_is_named_at_once(warehouse: DbtWarehouse) -> None:
    warehouse.execute(f"drop table {VARIANT}")
    warehouse.execute(f"alter table {EVENT} drop clicked")
    where = {"local": r"test_\d+\.duckdb", "redshift": r"127\.0\.0\.1/dev"}[warehouse.target]
    wrong = r"user_event\.clicked is missing.*user_variant does not exist"
    with pytest.raises(DbtError, match=rf"(?s)the raw tables in \S*{where} are not.*{wrong}"):
        warehouse.refresh()


def test_narrower_integers_wider_texts_and_more_columns_are_welcome(warehouse: DbtWarehouse) -> None:
    add_history(warehouse)
    warehouse.execute(f"alter table {EVENT} alter clicked type smallint")
    warehouse.execute(f"alter table {METADATA} alter age type text")
    warehouse.execute(f"alter table {EVENT} add column page varchar")
    warehouse.refresh()
    assert is_as_mandated(warehouse)


def test_a_view_may_take_the_place_of_a_raw_table(warehouse: DbtWarehouse) -> None:
    add_history(warehouse)
    warehouse.execute(f"alter table {EVENT} alter user_id type bigint")
    warehouse.execute(f"alter table {EVENT} rename to landed")
    warehouse.execute(
        f"create view {EVENT} as select cast(user_id as integer) as user_id, datestamp, item_id, clicked, purchased,"
        " paidamount from raw_data.landed"
    )
    warehouse.refresh()
    assert is_as_mandated(warehouse)


def test_assigned_at_is_kept_where_the_raw_table_has_it(warehouse: DbtWarehouse) -> None:
    warehouse.execute(f"insert into {VARIANT} values (1, 'a', '2025-01-05'), (1, 'a', '2025-01-03'), (2, 'a', null)")
    warehouse.refresh()
    assigned = "select user_id, cast(assigned_at as varchar) from analytics.dim_user_variant order by user_id"
    assert warehouse.execute(assigned) == [(1, "2025-01-03 00:00:00"), (2, None)]


def test_assigned_at_may_come_and_go(warehouse: DbtWarehouse) -> None:
    add_history(warehouse)
    for change in (f"alter table {VARIANT} drop assigned_at", f"alter table {VARIANT} add assigned_at timestamp"):
        warehouse.execute(change)
        warehouse.refresh()
        assert is_as_mandated(warehouse)
