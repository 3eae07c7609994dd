"""A place as it should be, a copy a test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from ab_pipeline.settings import get_settings
from ab_pipeline_tests.doctor.place import Place, make_home, make_warehouse, no_settings_of_the_developer


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("healthy")
    make_home(folder / "home")
    make_warehouse(folder / "warehouse.duckdb")
    return folder


@pytest.fixture
def place(healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    folder = tmp_path / "place"
    shutil.copytree(healthy, folder)
    # looking exports the settings
    with mock.patch.dict(os.environ):
        no_settings_of_the_developer(monkeypatch)
        monkeypatch.setenv("DAGSTER_HOME", str(folder / "home"))
        made = Place(folder, monkeypatch)
        made.set(
            duckdb_path=folder / "warehouse.duckdb",
            accounts_path=folder / "accounts.json",
            backup_location=folder / "backups",
        )
        yield made
    get_settings.cache_clear()
