"""Fixtures of the tests that need an instance of Dagster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance

from ab_pipeline_tests.automation.two_days import build_two_days
from ab_pipeline_tests.daemon import Daemon, open_instance
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: creating the tables of the storage takes seconds."""
    home = tmp_path_factory.mktemp("empty_home")
    with open_instance(home) as instance:
        instance.get_runs(limit=1)
        instance.event_log_storage.get_concurrency_keys()
    return home


@pytest.fixture
def instance(empty_home: Path, tmp_path: Path) -> Iterator[DagsterInstance]:
    home = tmp_path / "dagster_home"
    shutil.copytree(empty_home, home)
    with open_instance(home) as instance:
        yield instance


@pytest.fixture
def daemon(warehouse: DbtWarehouse, instance: DagsterInstance) -> Daemon:
    """Looks at the empty raw tables of `warehouse`."""
    return Daemon.of_environment(instance)


@pytest.fixture
def built(daemon: Daemon, warehouse: DbtWarehouse) -> Daemon:
    """Two built days, built once and copied for each test, and a sensor that has seen them."""
    warehouse.restore("two_days", build_two_days)
    assert daemon.tick() == []
    return daemon
