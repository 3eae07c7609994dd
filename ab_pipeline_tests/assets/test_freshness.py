"""Yesterday is built by the deadline, and raw rows arrive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dagster import AssetCheckEvaluation, AssetCheckSeverity, AssetKey, DagsterInstance, Definitions, asset, materialize

from ab_pipeline.assets import freshness
from ab_pipeline.assets.freshness import daily_freshness, evaluation, expected_day
from ab_pipeline.dbt.source_freshness import SourceFreshness
from ab_pipeline.partitions import daily_partitions
from ab_pipeline.settings import Settings

SETTINGS = Settings(timezone="Europe/Berlin", start_date=date(2026, 1, 1), freshness_deadline_hour=9)
BERLIN = ZoneInfo("Europe/Berlin")
KEY = AssetKey("facts")


@asset(partitions_def=daily_partitions(SETTINGS))
def facts() -> None: ...


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as temporary:
        yield temporary


def check_at(now: datetime, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> AssetCheckEvaluation:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return now.astimezone(tz)

    monkeypatch.setattr(freshness, "datetime", Clock)
    check = daily_freshness([KEY], SETTINGS)
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
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 22:30 in UTC is the next day in Berlin
    morning = datetime(2026, 6, 10, 7, 30, tzinfo=UTC)
    materialize([facts], instance=instance, partition_key="2026-06-10")
    found = check_at(morning, instance, monkeypatch)
    assert (found.passed, found.severity, found.description) == (
        False,
        AssetCheckSeverity.WARN,
        "2026-06-09 is not built",
    )
    materialize([facts], instance=instance, partition_key="2026-06-09")
    assert check_at(morning, instance, monkeypatch).passed
    assert not check_at(morning + timedelta(days=2), instance, monkeypatch).passed


def test_the_day_is_the_one_of_the_configured_time_zone(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = check_at(datetime(2026, 6, 10, 22, 30, tzinfo=UTC), instance, monkeypatch)
    assert found.description == "2026-06-09 is not built"


def test_before_the_first_day_nothing_is_missing(instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_at(datetime(2026, 1, 1, 12, tzinfo=UTC), instance, monkeypatch).passed


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
