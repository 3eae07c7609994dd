"""A small storage with a past, and a store to back it up to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ab_pipeline.maintenance.object_store import ObjectStore, open_store
from ab_pipeline.settings import ENV_PREFIX, Settings, load_settings
from ab_pipeline_tests.maintenance.history import live_through, postgres_instance, sqlite_instance
from ab_pipeline_tests.servers import postgres_session

DAYS = ("2025-01-01", "2025-01-02", "2025-01-13")


@pytest.fixture(scope="package")
def _past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("past") / "home"
    with sqlite_instance(home) as instance:
        live_through(instance, DAYS)
    return home


@pytest.fixture
def home(_past: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAGSTER_HOME of the test's own, with three runs in SQLite, of which one failed."""
    shutil.copytree(_past, tmp_path / "home")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="package")
def _postgres_past(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    url = _create(postgres, "three_runs")
    with postgres_instance(tmp_path_factory.mktemp("past") / "home", url) as instance:
        live_through(instance, DAYS)
    return url


@pytest.fixture
def postgres_url(_postgres_past: str, postgres: str) -> Iterator[str]:
    """A database of the test's own with the same past."""
    url = _create(postgres, "current", template="three_runs")
    yield url
    with postgres_session(postgres) as admin:
        admin.execute("select datname from pg_database where datname like 'current%'")
        for (name,) in admin.fetchall():
            admin.execute(f'drop database "{name}" with (force)')


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "backups"))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv(f"{ENV_PREFIX}BACKUP_LOCATION", str(tmp_path / "backups"))
    monkeypatch.setenv(f"{ENV_PREFIX}DUCKDB_PATH", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv(f"{ENV_PREFIX}TARGET", "local")
    return load_settings()


def silent(line: str) -> None:
    """Progress that nobody watches."""


def _create(server: str, name: str, template: str = "template0") -> str:
    with postgres_session(server) as admin:
        # a worker may come to this package twice
        admin.execute(f"drop database if exists {name} with (force)")
        admin.execute(f"create database {name} template {template}")
    return server.replace("/postgres?", f"/{name}?")
