"""Fixtures of the tests that run dbt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ab_pipeline_tests.dbt_warehouse import DbtWarehouse
from ab_pipeline_tests.integration.history import add_history


@pytest.fixture(scope="session")
def copy_of_the_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("history") / "warehouse.duckdb"


@pytest.fixture
def history(warehouse: DbtWarehouse, copy_of_the_history: Path) -> DbtWarehouse:
    """Four days that are built: once, and copied for each test."""
    if not copy_of_the_history.exists():
        add_history(warehouse)
        warehouse.refresh()
        shutil.copy(warehouse.path, copy_of_the_history)
    shutil.copy(copy_of_the_history, warehouse.path)
    return warehouse
