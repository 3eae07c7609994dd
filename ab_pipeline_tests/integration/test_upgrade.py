"""A DuckDB file that an older version built is brought up to date by the next refresh, and its past looks stay."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path

import pytest

from ab_pipeline.experiments.registry import read_registry
from ab_pipeline.paths import REGISTRY
from ab_pipeline.readouts.evaluate import evaluate, evaluate_due
from ab_pipeline.readouts.store import newest_verdicts
from ab_pipeline.warehouse.base import WarehouseError
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from ab_pipeline_tests.dbt_warehouse import DuckDBFile, days
from ab_pipeline_tests.mandated import built_rows, mandated_rows

OLDER = Path(__file__).parent / "upgrades"
NOW = dt.datetime(2025, 3, 2, 8, tzinfo=dt.UTC)
LAST = dt.date(2025, 3, 1)
LOOKS = "select experiment_id, as_of, verdict, computed_at from analytics.experiment_verdicts"
RETIRED = {"experiment_daily_sums", "experiment_capped_sums", "experiment_reconciliation", "experiment_metric_days"}


@pytest.fixture(params=sorted(OLDER.glob("*.zip")), ids=lambda path: path.stem)
def older(request: pytest.FixtureRequest, duckdb_file: DuckDBFile, tmp_path: Path) -> DuckDBFile:
    with zipfile.ZipFile(request.param) as exported:
        exported.extractall(tmp_path)
    duckdb_file.clear()
    load = (tmp_path / "load.sql").read_text().replace("FROM '", f"FROM '{tmp_path}/")
    duckdb_file.execute((tmp_path / "schema.sql").read_text())
    duckdb_file.execute(load)
    return duckdb_file


def test_duckdb_the_next_refresh_of_a_day_brings_it_up_to_date(older: DuckDBFile) -> None:
    registry, before = read_registry(REGISTRY), older.execute(f"{LOOKS} where as_of < '2025-02-15' order by 1, 2")
    with (
        DuckDBWarehouse(older.path).open() as session,
        pytest.raises(WarehouseError, match="older version; the next refresh brings them up to date"),
    ):
        evaluate(session, registry, "checkout")

    older.refresh(days(LAST, LAST + dt.timedelta(days=1)), experiments=True)
    with DuckDBWarehouse(older.path).open(read_only=False) as session:
        refreshed = evaluate_due(session, registry, NOW)
        assert {one.experiment.experiment_id for one in refreshed.newest} == {
            one.experiment_id for one in registry.experiments
        }
        assert evaluate_due(session, registry, NOW).looks == 0
        assert len(newest_verdicts(session)) == len(registry.experiments)
    assert older.execute(f"{LOOKS} where as_of < '2025-02-15' and superseded_at is null order by 1, 2") == before
    with older.connect() as connection:
        assert built_rows(connection) == mandated_rows(connection)
    left = older.execute("select table_name from information_schema.tables where table_schema = 'analytics'")
    assert RETIRED.isdisjoint(name for (name,) in left)
