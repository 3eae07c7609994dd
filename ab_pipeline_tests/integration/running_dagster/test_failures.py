"""A run that fails says which table, test and rows it failed for, and builds nothing on top of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from dagster import DagsterEventType, DagsterRunStatus, TableMetadataValue, TableRecord

from ab_pipeline.paths import PROJECT_DIR
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse, DuckDBFile
from ab_pipeline_tests.integration.duckdb_only import duckdb_only
from ab_pipeline_tests.integration.running_dagster.project import (
    ALL_DAYS,
    LAYERS,
    REGISTRY,
    DagsterProject,
    materialize_command,
    new_project,
)

pytestmark = pytest.mark.says_the_same_on_redshift

DATABASES_WORDS = {
    "local": "Could not convert string 'seven' to INT32",
    "redshift": 'invalid input syntax for type integer: "seven"',
}
BROKEN_DEFINITIONS = """
from pathlib import Path
import ab_pipeline.dbt.project
ab_pipeline.dbt.project.PROJECT_DIR = Path({folder!r})
from ab_pipeline.definitions import defs
"""


@pytest.fixture
def broken(built: DagsterProject, homes: Path) -> tuple[DagsterProject, str]:
    """A run of a project with three bugs, and its output: once for each target."""
    warehouse = built.warehouse
    folder = homes / f"broken_{warehouse.target}"
    if not warehouse.has_copy("broken"):
        run_broken(warehouse, folder)
        warehouse.keep_copy("broken")
    warehouse.go_back_to("broken")
    return DagsterProject(warehouse, folder / "home"), (folder / "output").read_text()


def run_broken(warehouse: DbtWarehouse, folder: Path) -> None:
    """Users double in one model, another makes a number of a text; and a metric is of a kind that there is not."""
    dbt_project = folder / "dbt_project"
    shutil.copytree(PROJECT_DIR, dbt_project, ignore=shutil.ignore_patterns("target*", "logs"))
    doubled, failing = dbt_project / "models/dim/dim_user_variant.sql", dbt_project / "models/fact/fact_user_event.sql"
    doubled.write_text(doubled.read_text() + "union all\nselect * from final\n")
    failing.write_text(failing.read_text() + "where cast('seven' as integer) = 7\n")
    metrics = dbt_project / "seeds/metrics.csv"
    metrics.write_text(metrics.read_text().replace(",proportion,", ",percent,"))
    (folder / "definitions.py").write_text(BROKEN_DEFINITIONS.format(folder=str(dbt_project)))
    project = new_project(warehouse, folder / "home")
    project.keep_as_before()
    project.execute("insert into raw_data.user_event values (1, timestamp '2025-02-19', 9, 0, 0, 1)")
    command = ("asset", "materialize", "-f", str(folder / "definitions.py"), "--select", LAYERS)
    process = project.start("dagster", *command, "--partition-range", ALL_DAYS)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 1, output
    (folder / "output").write_text(output)


def test_a_failing_model_fails_the_run_with_its_name_and_the_databases_words(
    broken: tuple[DagsterProject, str],
) -> None:
    project, output = broken
    assert project.statuses() == [DagsterRunStatus.FAILURE]
    [failure] = project.events(DagsterEventType.STEP_FAILURE)
    assert failure.step_failure_data.error
    message = failure.step_failure_data.error.to_string()
    words = DATABASES_WORDS[project.warehouse.target]
    for text in (message, output):
        assert re.search(rf"fact_user_event[\s\S]*{words}", text)


def test_a_mistake_in_the_registry_names_file_row_and_column(broken: tuple[DagsterProject, str]) -> None:
    _, output = broken
    assert "metrics.csv, row 3, column kind: 'percent' is not" in output


def test_a_check_of_error_severity_that_fails_names_the_rows(broken: tuple[DagsterProject, str]) -> None:
    project, _ = broken
    assert not project.checked()["unique_key_dim_user_variant_user_id__variant_id"]
    rows = failing_rows(project, "unique_key_dim_user_variant_user_id__variant_id")
    assert rows
    assert all(row.data["num_of_rows"] == "2" for row in rows)
    assert rows[0].data.keys() == {"user_id", "variant_id", "num_of_rows"}


def test_nothing_is_built_on_what_failed_and_all_else_is(broken: tuple[DagsterProject, str]) -> None:
    project, _ = broken
    # dim_user_variant itself was built before its test could fail
    assert project.materialized().keys() == REGISTRY | {
        "dim_user_variant",
        "dim_user_metadata",
        "snapshot_user_metadata",
    }
    assert project.is_as_before()


def test_a_check_that_warns_names_the_rows_and_lets_the_run_go_on(built: DagsterProject) -> None:
    built.execute("insert into raw_data.user_variant values (1, 'of_no_experiment', null), (2, null, null)")
    built.execute("insert into raw_data.user_metadata select * from raw_data.user_metadata where user_id = 3")
    built.execute("insert into raw_data.user_event values (1, '2019-12-31', 9, 0, 0, 1), (null, null, 77, 1, 1, 1)")
    built.materialize(LAYERS, ALL_DAYS)
    assert built.statuses() == [DagsterRunStatus.SUCCESS]
    failed = [name for name, passed in built.checked().items() if not passed]
    named = {name: [dict(row.data) for row in failing_rows(built, name)] for name in failed}
    assert {"variant_id": "of_no_experiment", "num_of_users": "1"} in named.pop("every_variant_is_declared")
    without_key = {"user_id": "None", "datestamp": "None", "item_id": "77"}
    for column in ("user_id", "datestamp"):
        [row] = named.pop(f"source_not_null_raw_data_user_event_{column}")
        assert row.items() >= without_key.items()
    assert named == {
        "source_not_null_raw_data_user_variant_variant_id": [
            {"user_id": "2", "variant_id": "None", "assigned_at": "None"}
        ],
        "source_unique_key_raw_data_user_metadata_user_id": [{"user_id": "3", "num_of_rows": "2"}],
        "source_within_calendar_raw_data_user_event_datestamp": [{"datestamp": "2019-12-31", "num_of_rows": "1"}],
    }


@duckdb_only
def test_two_commands_at_once_on_a_duckdb_file_both_succeed_or_one_names_the_lock(
    warehouse: DuckDBFile, built: DagsterProject
) -> None:
    built.execute("insert into raw_data.user_event values (1, timestamp '2025-02-19', 9, 0, 0, 1)")
    command = (*materialize_command(LAYERS), "--partition-range", ALL_DAYS)
    with built.instance():
        pass  # Dagster itself does not bear two processes that make its database at once
    processes = [built.start(*command) for _ in range(2)]
    outputs = [process.communicate(timeout=180)[0] for process in processes]
    codes = [process.returncode for process in processes]
    assert 0 in codes, outputs
    for code, output in zip(codes, outputs, strict=True):
        if code:
            assert f'Could not set lock on file "{warehouse.path}"' in output
    assert built.is_as_mandated()


def failing_rows(project: DagsterProject, check: str) -> Sequence[TableRecord]:
    [evaluation] = [
        event.asset_check_evaluation_data
        for event in project.events(DagsterEventType.ASSET_CHECK_EVALUATION)
        if event.asset_check_evaluation_data.check_name == check
    ]
    table = evaluation.metadata["failing_rows"]
    assert isinstance(table, TableMetadataValue)
    return table.records
