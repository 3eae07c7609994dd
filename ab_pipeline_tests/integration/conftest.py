"""Fixtures of the tests that run dbt: on DuckDB and on the stand-in for Redshift, each test written once.

Tests of the file itself (its lock, its damage, a writer that is killed) have `duckdb` in their names and no second run.
`test_readouts.py` has none either: its sample is too large for the stand-in; `test_both_targets.py` has verdicts too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ab_pipeline_tests.dbt_warehouse import DbtWarehouse, RedshiftDatabase
from ab_pipeline_tests.integration.history import build_history
from ab_pipeline_tests.redshift.server import Redshift


@pytest.fixture(scope="session")
def target_path_of_redshift(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dbt_on_redshift")


@pytest.fixture
def redshift_database(redshift: Redshift, target_path_of_redshift: Path) -> RedshiftDatabase:
    """Empty raw tables on the stand-in."""
    database = RedshiftDatabase(target_path_of_redshift, redshift)
    database.create_raw_tables()
    return database


@pytest.fixture(params=["duckdb_file", "redshift_database"], ids=["local", "redshift"])
def warehouse(request: pytest.FixtureRequest) -> DbtWarehouse:
    """Empty raw tables on either target."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def history(warehouse: DbtWarehouse) -> DbtWarehouse:
    """Four days that are built: once, and copied for each test."""
    warehouse.restore("history", build_history)
    return warehouse
