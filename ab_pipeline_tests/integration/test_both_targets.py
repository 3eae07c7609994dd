"""From the same raw rows both targets build the same tables, and plain SQL over them is of the same mind."""

from __future__ import annotations

from collections import Counter

import pytest

from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.warehouse.duckdb import DuckDBSession
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse, DuckDBFile, RedshiftDatabase
from ab_pipeline_tests.mandated import built_rows, mandated_rows

ODD_ROWS = {
    "user_event": [
        (None, "2025-01-02", 7, 1, 1, 100),
        (1, None, 7, 1, 1, 100),
        (1, "2025-01-02 23:59:59.999999", None, 1, 1, 100),
        (1, "2025-01-02", 7, None, None, None),
        (1, "2025-01-02", 2147483647, 2, -1, -2147483648),
        (1, "1969-12-31", 7, 1, 1, 100),
    ],
    "user_variant": [(1, None, None), (1, "ä'~|-ö", None), (1, "ä'~|-ö", None), (None, "checkout_control", None)],
    "user_metadata": [(1, None, "", "2030-01-01"), (1, "65+", "ü", None), (None, "18-24", "f", "2025-01-01")],
}
TABLES = ("dim_user", "dim_user_metadata", "fact_user_event")


@pytest.fixture
def both(duckdb_file: DuckDBFile, redshift_database: RedshiftDatabase) -> tuple[DuckDBFile, RedshiftDatabase]:
    """The same raw rows, with some that nobody wants, in both."""
    with duckdb_file.connect() as connection:
        generate(DuckDBSession(connection), SampleSpec(users=40, days=4, events_per_day=60))
    for table, rows in ODD_ROWS.items():
        add(duckdb_file, table, rows)
        add(redshift_database, table, duckdb_file.execute(f"select * from raw_data.{table}"))
    return duckdb_file, redshift_database


def add(warehouse: DbtWarehouse, table: str, rows: list[tuple[object, ...]]) -> None:
    with warehouse.connect() as connection:
        for row in rows:
            connection.execute(f"insert into raw_data.{table} values ({', '.join('?' * len(row))})", list(row))


def test_the_same_raw_rows_are_built_into_the_same_tables(
    both: tuple[DuckDBFile, RedshiftDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    for warehouse in both:
        monkeypatch.setenv("AB_PIPELINE_TARGET", warehouse.target)
        warehouse.refresh()
    local, redshift = both
    with local.connect() as one, redshift.connect() as other:
        assert built_rows(one) == built_rows(other) == mandated_rows(other)
        assert len(built_rows(one)) > 40
    for table in TABLES:
        rows = f"select * from analytics.{table}"
        assert Counter(local.execute(rows)) == Counter(redshift.execute(rows))
