"""Fixtures of the tests that start Dagster: a sample, and the same sample built once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from ab_pipeline.dbt.project import PROJECT_DIR
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from ab_pipeline_tests.integration.running_dagster.project import (
    ALL_DAYS,
    LAST_DAY,
    LAYERS,
    DagsterProject,
    new_project,
)

SAMPLE = SampleSpec(users=100, days=3, events_per_day=200, end_date=date.fromisoformat(LAST_DAY))


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A name that no other process uses: dbt's target folder is named after it."""
    stem = f"test_{os.getpid()}"
    yield tmp_path_factory.mktemp("dagster") / f"{stem}.duckdb"
    shutil.rmtree(PROJECT_DIR / "target" / f"local-{stem}", ignore_errors=True)


@pytest.fixture(scope="session")
def raw_sample(path: Path) -> Path:
    copy = path.parent / "raw" / path.name
    with DuckDBWarehouse(copy).open(read_only=False) as session:
        generate(session, SAMPLE)
    return copy


@pytest.fixture(scope="session")
def first_build(path: Path, raw_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> DagsterProject:
    """Everything built over all days by one command. What Dagster recorded of it is there, the file is a copy."""
    project = new_project(path, tmp_path_factory.mktemp("first") / "home", copy_of=raw_sample)
    project.materialize(LAYERS, ALL_DAYS)
    copy = raw_sample.with_name("built.duckdb")
    shutil.copy(path, copy)
    return DagsterProject(copy, project.home)


@pytest.fixture
def fresh(path: Path, raw_sample: Path, tmp_path: Path) -> DagsterProject:
    """Only raw tables."""
    return new_project(path, tmp_path / "home", copy_of=raw_sample)


@pytest.fixture
def built(path: Path, first_build: DagsterProject, tmp_path: Path) -> DagsterProject:
    """All days built; Dagster's own memory is empty."""
    return new_project(path, tmp_path / "home", copy_of=first_build.path)
