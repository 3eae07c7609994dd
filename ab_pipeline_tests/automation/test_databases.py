"""One DAGSTER_HOME, several databases: what is known of one says nothing about another. On real DuckDB files."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from ab_pipeline_tests.automation.two_days import EVENT, JAN, reason
from ab_pipeline_tests.daemon import Daemon, days
from ab_pipeline_tests.dbt_warehouse import DuckDBFile


def beside(built: Daemon, path: Path) -> Daemon:
    """The same home, with another database's settings."""
    return Daemon(Settings(duckdb_path=path), built.instance, built.now, built.cursor)


def test_another_file_is_compared_from_its_first_day_on_and_the_ui_is_said_to_show_both(
    built: Daemon, warehouse: DuckDBFile, tmp_path: Path
) -> None:
    warehouse.execute(EVENT, [JAN[1]])
    [run] = built.tick()
    built.instance.report_run_failed(run)
    copy = tmp_path / "other.duckdb"
    shutil.copy(warehouse.path, copy)
    with duckdb.connect(copy) as connection:
        connection.execute(EVENT, [JAN[0]])
    other = beside(built, copy)
    # what failed in the first keeps no day of the second waiting
    assert days(other.tick()) == [JAN[0], JAN[1]]
    assert f"in Dagster's UI some runs and days are of another database: {warehouse.path}" in reason(other)


@pytest.mark.parametrize("how", ["moved", "copied over"])
def test_a_file_that_is_replaced_under_the_same_name_starts_anew(
    built: Daemon, warehouse: DuckDBFile, tmp_path: Path, how: str
) -> None:
    warehouse.execute("update raw_data.user_event set paidamount = 5 where datestamp = ?", [JAN[0]])
    [run] = built.tick()
    built.instance.report_run_failed(run)
    assert "2025-01-01 failed once" in reason(built)
    another = tmp_path / "another.duckdb"
    with duckdb.connect(another) as connection:
        connection.execute(f"attach '{warehouse.path}' as old (read_only); copy from database old to another")
    (shutil.move if how == "moved" else shutil.copyfile)(another, warehouse.path)
    assert days(built.tick()) == [JAN[0]], "what failed was of the file that is gone"


def test_a_failure_is_remembered_of_the_database_that_it_happened_in(built: Daemon, warehouse: DuckDBFile) -> None:
    warehouse.execute(EVENT, [JAN[1]])
    [run] = built.tick()
    built.instance.report_run_failed(run)
    assert "2025-01-02 failed once, next try at" in reason(built)
    built.now += timedelta(minutes=2)
    assert days(built.tick()) == [JAN[1]]


def test_the_identity_of_a_file_outlives_writes_and_not_its_replacement(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.duckdb", tmp_path / "b.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("create table t as select 1 as x")
    first = DuckDBWarehouse(path).identity()
    with duckdb.connect(path) as connection:
        connection.execute("insert into t select * from range(300000)")
        connection.execute("checkpoint")
    assert DuckDBWarehouse(path).identity() == first
    shutil.copy(path, copy)
    assert DuckDBWarehouse(copy).identity() != first
    path.unlink()
    with duckdb.connect(path):
        pass
    assert DuckDBWarehouse(path).identity() != first
