"""From the same raw rows both targets build the same tables, and plain SQL over them is of the same mind."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import pytest

from ab_pipeline.experiments.registry import read_registry
from ab_pipeline.paths import REGISTRY
from ab_pipeline.readouts.evaluate import evaluate_due
from ab_pipeline.readouts.placebo import placebo
from ab_pipeline.readouts.store import newest_verdicts
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.warehouse.duckdb import DuckDBSession
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse, DuckDBFile, RedshiftDatabase, days
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


def test_the_same_raw_rows_give_the_same_verdicts(
    both: tuple[DuckDBFile, RedshiftDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = read_registry(REGISTRY)
    found = []
    for warehouse in both:
        monkeypatch.setenv("AB_PIPELINE_TARGET", warehouse.target)
        warehouse.dbt("seed")
        warehouse.refresh(experiments=True)
        # a second build goes through the incremental statements
        warehouse.execute("insert into raw_data.user_event values (1, timestamp '2025-02-28 12:00:00', 7, 1, 1, 100)")
        warehouse.refresh(days(date(2025, 2, 28), date(2025, 3, 1)), experiments=True)
        with warehouse.session() as session:
            refreshed = evaluate_due(session, registry, datetime(2025, 3, 2, tzinfo=UTC))
            assert evaluate_due(session, registry, datetime(2025, 3, 3, tzinfo=UTC)).looks == 0
            readouts = [evaluation.readout for evaluation in refreshed.newest]
            found.append(
                (refreshed.looks, readouts, newest_verdicts(session), placebo(session, registry, "search", runs=3))
            )
    assert found[0] == found[1]
    assert {readout.experiment_id for readout in found[0][1]} == {"search", "inferred"}
    keys = 'select diststyle, sortkey1, sortkey_num from svv_table_info where "schema" = \'analytics\' and "table" = ?'
    for table, expected in {
        "experiment_units": ("KEY(user_id)", "experiment_id", 1),
        "experiment_statistics": ("KEY(experiment_id)", "experiment_id", 1),
        "experiment_distribution": ("KEY(experiment_id)", "experiment_id", 1),
        "dim_experiment": ("ALL", "experiment_id", 1),
        "experiment_results": ("KEY(experiment_id)", "experiment_id", 2),
        "built_experiment_day": ("ALL", "datestamp", 1),
    }.items():
        assert both[1].execute(keys, [table]) == [expected]
