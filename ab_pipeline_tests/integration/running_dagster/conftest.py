"""Fixtures of the tests that start Dagster, on either target: a small sample, and the same sample built."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from ab_pipeline.raw_data.contract import RAW_TABLES
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.warehouse.duckdb import DuckDBSession
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse
from ab_pipeline_tests.integration.running_dagster.project import (
    LAST_DAY,
    DagsterProject,
    new_project,
)

SAMPLE = SampleSpec(users=100, days=3, events_per_day=200, end_date=date.fromisoformat(LAST_DAY))


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The homes of those Dagsters that build once for several tests."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture
def fresh(warehouse: DbtWarehouse, tmp_path: Path) -> DagsterProject:
    """Only raw tables."""
    warehouse.restore("sample", add_sample)
    return new_project(warehouse, tmp_path / "home")


@pytest.fixture
def built(warehouse: DbtWarehouse, tmp_path: Path) -> DagsterProject:
    """All days built, by dbt: Dagster remembers nothing of it."""
    warehouse.restore("built_sample", build_sample)
    return new_project(warehouse, tmp_path / "home")


def add_sample(warehouse: DbtWarehouse) -> None:
    with duckdb.connect() as connection, warehouse.session() as session:
        generate(DuckDBSession(connection), SAMPLE)
        for table in RAW_TABLES.values():
            columns = {column.name: column.type for column in table.columns}
            rows = connection.execute(f"select {', '.join(columns)} from {table.relation}").fetchall()
            session.insert(table.relation, columns, rows)


def build_sample(warehouse: DbtWarehouse) -> None:
    add_sample(warehouse)
    warehouse.dbt("seed")
    # what is declared and not built would be due
    warehouse.refresh(full=True, experiments=True)
