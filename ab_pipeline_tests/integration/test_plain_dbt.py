"""dbt alone, from dbt_project/, for someone who never opens Dagster."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from ab_pipeline.dbt.project import PROJECT_DIR
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.settings import ENV_PREFIX, PROJECT_ROOT
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from ab_pipeline_tests.mandated import built_rows, mandated_rows


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plain_dbt") / "warehouse.duckdb"
    with DuckDBWarehouse(path).open(read_only=False) as session:
        generate(session, SampleSpec(users=100, days=3, events_per_day=200))
    return path


def dbt(command: str, path: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    environment[f"{ENV_PREFIX}DUCKDB_PATH"] = str(path)
    folder = str(path.parent / "target")
    process = subprocess.run(
        [
            str(PROJECT_ROOT / ".venv/bin/dbt"),
            *command.split(),
            "--target-path",
            folder,
            "--log-path",
            folder,
            *arguments,
        ],
        cwd=PROJECT_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    return process.stdout


def test_build_builds_and_tests_everything_without_a_warning(path: Path) -> None:
    *_, last_line = dbt("build", path, "--no-use-colors").splitlines()
    assert "WARN=0 ERROR=0 SKIP=0" in last_line
    with DuckDBWarehouse(path).open() as session:
        assert built_rows(session.connection) == mandated_rows(session.connection)


def test_docs_describe_every_table_as_it_is_in_the_warehouse(path: Path) -> None:
    dbt("docs generate", path)
    catalog = json.loads((path.parent / "target" / "catalog.json").read_bytes())
    names = {unique_id.split(".")[-1] for unique_id in catalog["nodes"] | catalog["sources"]}
    assert names >= {"user_event", "dim_user", "fact_user_event", "analytics_variant_user_daily"}
    assert not catalog["errors"]
