"""A build that does not end or cannot start: a clear error, the old table whole, and the next build repairs it."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import time

import pytest

from ab_pipeline_tests.dbt_warehouse import DbtError, DuckDBFile
from ab_pipeline_tests.integration.history import add_history, is_as_mandated
from ab_pipeline_tests.mandated import BUILT_TABLE, MANDATED_SELECT, num_of_differences

ANALYTICS = ("run", "--select", "analytics_variant_user_daily", "--log-level", "info")
MILLION = 1_000_000


@pytest.fixture
def large_history(duckdb_file: DuckDBFile) -> DuckDBFile:
    """Built from a million events, so that a build takes long enough to be hit in the middle."""
    duckdb_file.execute(
        f"""
        insert into raw_data.user_event
        select i % 20011, timestamp '2025-01-01' + to_minutes(i % 14400), i % 97, i % 3 = 0, i % 5 = 0, i % 700
        from range({MILLION}) as events(i)
        """
    )
    duckdb_file.execute("insert into raw_data.user_variant select i, 'v' || i % 4, null from range(20011) as users(i)")
    duckdb_file.execute(
        "insert into raw_data.user_metadata select i, '18-24', 'f', '2025-01-01' from range(20011) as users(i)"
    )
    duckdb_file.refresh()
    return duckdb_file


@pytest.mark.parametrize("full_refresh", [(), ("--full-refresh",)], ids=["window", "full_refresh"])
def test_a_killed_build_leaves_the_old_table_and_the_next_repairs_it(
    large_history: DuckDBFile, monkeypatch: pytest.MonkeyPatch, full_refresh: tuple[str, ...]
) -> None:
    monkeypatch.setenv("AB_PIPELINE_LOOKBACK_DAYS", "30")
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    duration = seconds_in_analytics(large_history, full_refresh)
    for _ in range(2):
        large_history.execute("update raw_data.user_event set paidamount = paidamount + 1")
        large_history.refresh(select="fact_user_event")
        large_history.execute(f"create or replace table raw_data.before as {BUILT_TABLE}")
        kill_in_analytics(large_history, full_refresh, after=random.uniform(0, duration))
        with large_history.connect() as connection:
            is_old = num_of_differences(connection, BUILT_TABLE, "from raw_data.before") == 0
            is_new = num_of_differences(connection, BUILT_TABLE, MANDATED_SELECT) == 0
            assert is_old or is_new
            # what is written about the table belongs to the table
            [(is_settled,)] = connection.execute(
                "select bool_and(signature is not null) from analytics.built_day"
            ).fetchall()
            assert is_settled == is_new
        large_history.refresh()
        with large_history.connect() as connection:
            assert num_of_differences(connection, BUILT_TABLE, MANDATED_SELECT) == 0


def test_a_full_disk_fails_the_build_and_the_next_repairs_it(large_history: DuckDBFile) -> None:
    large_history.execute("update raw_data.user_event set paidamount = paidamount + 1")
    process = large_history.start_dbt(*ANALYTICS, "--full-refresh")
    wait_until_analytics_starts(process)
    # no file of the process may grow beyond this, which is enough for dbt's own files: as good as a full disk
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4 * MILLION, 4 * MILLION))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1, output
    assert "File too large" in output
    large_history.refresh(full=True)
    with large_history.connect() as connection:
        assert num_of_differences(connection, BUILT_TABLE, MANDATED_SELECT) == 0


def test_a_file_that_another_process_has_open_is_named(duckdb_file: DuckDBFile) -> None:
    add_history(duckdb_file)
    path = duckdb_file.path
    hold = f"import duckdb, time; c = duckdb.connect({str(path)!r}); print('open', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        try:
            with pytest.raises(DbtError, match=f"(?s)Could not set lock on file.*{path}.*PID {holder.pid}"):
                duckdb_file.refresh()
        finally:
            holder.kill()
    duckdb_file.refresh()
    assert is_as_mandated(duckdb_file)


def test_a_file_that_is_not_a_duckdb_file_is_named_and_left_as_it_is(duckdb_file: DuckDBFile) -> None:
    duckdb_file.path.write_text("not a database" * 1000)
    with pytest.raises(DbtError, match=f"{duckdb_file.path}.*not a valid DuckDB database file"):
        duckdb_file.refresh()
    assert duckdb_file.path.read_text().startswith("not a database")


def seconds_in_analytics(warehouse: DuckDBFile, arguments: tuple[str, ...]) -> float:
    process = warehouse.start_dbt(*ANALYTICS, *arguments)
    started = wait_until_analytics_starts(process)
    process.communicate(timeout=120)
    assert process.returncode == 0
    return time.monotonic() - started


def kill_in_analytics(warehouse: DuckDBFile, arguments: tuple[str, ...], *, after: float) -> None:
    process = warehouse.start_dbt(*ANALYTICS, *arguments)
    wait_until_analytics_starts(process)
    time.sleep(after)
    process.kill()
    process.communicate()


def wait_until_analytics_starts(process: subprocess.Popen[str]) -> float:
    assert process.stdout
    for line in process.stdout:
        if "START sql incremental model" in line:
            return time.monotonic()
    raise AssertionError("dbt ended before it came to the daily table")
