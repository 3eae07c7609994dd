"""A run on a DuckDB file that is ended in the middle leaves the old table whole and no dbt behind; the next repairs it.

On Redshift the transaction ends with the connection: test_redshift_faults.py cuts it at every statement.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ab_pipeline_tests.dbt_warehouse import DuckDBFile
from ab_pipeline_tests.integration.running_dagster.project import DagsterProject, materialize_command, new_project

MILLION = 1_000_000
DAYS = "2025-01-01...2025-01-10"
FACTS_AND_DAILY = "fact_user_event,analytics_variant_user_daily"


def build_large(file: DuckDBFile, home: Path) -> None:
    """Enough events that a build can be hit in the middle; built, and then changed on every day."""
    with file.connect() as connection:
        connection.execute(
            f"""
            insert into raw_data.user_event
            select i % 20011, timestamp '2025-01-01' + to_minutes(i % 14400), i % 97, i % 3 = 0, i % 5 = 0, i % 700
            from range({2 * MILLION}) as events(i);
            insert into raw_data.user_variant select i, 'v' || i % 4, null from range(20011) as users(i);
            insert into raw_data.user_metadata select i, '18-24', 'f', '2025-01-01' from range(20011) as users(i);
            """
        )
    project = new_project(file, home)
    project.materialize(f"dim_user_variant,dim_user_metadata,dim_user,{FACTS_AND_DAILY}", DAYS)
    project.keep_as_before()
    project.execute("update raw_data.user_event set paidamount = paidamount + 1")


@pytest.fixture
def large(duckdb_file: DuckDBFile, homes: Path, tmp_path: Path) -> DagsterProject:
    duckdb_file.restore("large", lambda file: build_large(file, homes / "large"))
    return new_project(duckdb_file, tmp_path / "home")


def start_until_the_daily_table(project: DagsterProject) -> subprocess.Popen[str]:
    process = project.start(*materialize_command(FACTS_AND_DAILY), "--partition-range", DAYS)
    assert process.stdout
    for line in process.stdout:
        if "START sql incremental model analytics.analytics_variant_user_daily" in line:
            return process
    raise AssertionError("the run ended before it came to the daily table")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_the_old_table_and_no_dbt(large: DagsterProject, number: signal.Signals) -> None:
    process = start_until_the_daily_table(large)
    started = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert time.monotonic() - started < 30
    assert process.returncode != 0, output
    # a dbt that goes on writing would still hold the file; a table may have been committed just before the signal
    assert large.is_as_before() or large.is_as_mandated()
    if number == signal.SIGKILL:  # the harder of the two
        large.materialize(FACTS_AND_DAILY, DAYS)
        assert large.is_as_mandated()


def test_a_full_disk_fails_the_run_with_the_reason_and_leaves_the_old_table(large: DagsterProject) -> None:
    process = start_until_the_daily_table(large)
    # no file of the process may grow beyond this, which is enough for Dagster's own: as good as a full disk
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4 * MILLION, 4 * MILLION))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert "File too large" in output
    assert large.is_as_before()
