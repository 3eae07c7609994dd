"""Yesterday is built by the deadline, and raw rows arrive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dagster import AssetCheckEvaluation, AssetCheckSeverity, AssetKey, DagsterInstance, Definitions, asset, materialize

from ab_pipeline.assets import freshness
from ab_pipeline.assets.freshness import daily_freshness, evaluation, expected_day
from ab_pipeline.dbt.source_freshness import SourceFreshness
from ab_pipeline.partitions import daily_partitions
from ab_pipeline.raw_data.contract import RAW_TABLES, USER_EVENT
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse

SETTINGS = Settings(timezone="Europe/Berlin", start_date=date(2026, 1, 1), freshness_deadline_hour=9)
BERLIN = ZoneInfo("Europe/Berlin")
KEY = AssetKey("facts")
BUILT = "(datestamp date, num_of_events bigint, signature varchar(64), build_id varchar(36), built_at timestamp)"


@asset(partitions_def=daily_partitions(SETTINGS))
def facts() -> None: ...


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as temporary:
        yield temporary


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    """Empty raw tables, and a daily table of which no day is built."""
    file = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    with file.open(read_only=False) as session:
        for schema in ("raw_data", "analytics"):
            session.run(f"create schema {schema}")
        for table in RAW_TABLES.values():
            session.run(table.create_statement())
        session.run("create table analytics.analytics_variant_user_daily (user_id integer)")
        session.run(f"create table analytics.built_day {BUILT}")
    return file


def add_event(warehouse: DuckDBWarehouse, day: str) -> None:
    with warehouse.open(read_only=False) as session:
        session.run("insert into raw_data.user_event values (1, ?, 7, 1, 1, 100)", [day])


def build(warehouse: DuckDBWarehouse, day: str) -> None:
    """Note the day as built from what is there."""
    with warehouse.open(read_only=False) as session:
        signature = session.signature([column.name for column in USER_EVENT.columns])
        session.run(
            f"insert into analytics.built_day select ?, count(*), {signature}, 'b', now()"
            " from raw_data.user_event where cast(datestamp as date) = ?",
            [day, day],
        )


def check_at(
    now: datetime, instance: DagsterInstance, warehouse: DuckDBWarehouse, monkeypatch: pytest.MonkeyPatch
) -> AssetCheckEvaluation:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return now.astimezone(tz)

    monkeypatch.setattr(freshness, "datetime", Clock)
    check = daily_freshness([KEY], SETTINGS, warehouse)
    definitions = Definitions(assets=[facts], asset_checks=[check])
    from dagster import AssetSelection

    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.get_subset(
        asset_check_selection=AssetSelection.checks(check).resolve_checks(definitions.resolve_asset_graph()),
        asset_selection=set(),
    ).execute_in_process(instance=instance)
    [found] = result.get_asset_check_evaluations()
    return found


@pytest.mark.parametrize("day", [date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 30), date(2026, 10, 25)])
def test_yesterday_is_expected_from_the_deadline_on(day: date) -> None:
    before = datetime(day.year, day.month, day.day, 8, 59, tzinfo=BERLIN)
    after = datetime(day.year, day.month, day.day, 9, 0, tzinfo=BERLIN)
    assert expected_day(before, 9) == day - timedelta(days=2)
    assert expected_day(after, 9) == day - timedelta(days=1)


def test_a_day_that_is_not_built_is_a_warning_until_it_is(
    instance: DagsterInstance, warehouse: DuckDBWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 22:30 in UTC is the next day in Berlin
    morning = datetime(2026, 6, 10, 7, 30, tzinfo=UTC)

    def found() -> tuple[object, ...]:
        check = check_at(morning, instance, warehouse, monkeypatch)
        return check.passed, check.severity, check.description

    warn, day = AssetCheckSeverity.WARN, "2026-06-09"
    assert found() == (False, warn, f"{day} is not built: raw_data.user_event has no events of it")
    add_event(warehouse, day)
    assert found() == (False, warn, f"{day} is not built: 1 events wait")
    build(warehouse, day)
    assert found() == (True, warn, f"{day} is built")
    add_event(warehouse, day)
    assert found() == (False, warn, f"{day} is not built from what raw_data.user_event holds")


def test_what_dagster_recorded_of_another_database_counts_for_nothing(
    instance: DagsterInstance, warehouse: DuckDBWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    materialize([facts], instance=instance, partition_key="2026-06-09")
    assert not check_at(datetime(2026, 6, 10, 7, 30, tzinfo=UTC), instance, warehouse, monkeypatch).passed


def test_a_warehouse_that_cannot_be_seen_is_an_error(
    instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = DuckDBWarehouse(tmp_path / "gone.duckdb")
    found = check_at(datetime(2026, 6, 10, 7, 30, tzinfo=UTC), instance, gone, monkeypatch)
    assert (found.passed, found.severity) == (False, AssetCheckSeverity.ERROR)
    assert str(found.description).startswith(f"nobody knows whether 2026-06-09 is built: {gone.path} does not exist")


def test_the_day_is_the_one_of_the_configured_time_zone(
    instance: DagsterInstance, warehouse: DuckDBWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = check_at(datetime(2026, 6, 10, 22, 30, tzinfo=UTC), instance, warehouse, monkeypatch)
    assert str(found.description).startswith("2026-06-09 is not built")


def test_before_the_first_day_nothing_is_missing(
    instance: DagsterInstance, warehouse: DuckDBWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check_at(datetime(2026, 1, 1, 12, tzinfo=UTC), instance, warehouse, monkeypatch).passed


@pytest.mark.parametrize(
    ("status", "passed", "severity"),
    [
        ("pass", True, AssetCheckSeverity.WARN),
        ("warn", False, AssetCheckSeverity.WARN),
        ("error", False, AssetCheckSeverity.ERROR),
        ("runtime error", False, AssetCheckSeverity.WARN),
    ],
)
def test_what_dbt_says_of_a_source_decides(status: str, passed: bool, severity: AssetCheckSeverity) -> None:
    newest = datetime(2026, 1, 1, tzinfo=UTC)
    found = evaluation(KEY, SourceFreshness(status, newest=newest, age=timedelta(days=9)))
    assert (found.passed, found.severity) == (passed, severity)
    assert found.description == "the newest row is 9 days, 0:00:00 old"
