"""What the clock starts, on ordinary days and on the two on which it is changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, takewhile
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo, available_timezones

import pytest
from dagster import (
    AssetSelection,
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    Definitions,
    ScheduleDefinition,
    asset,
    build_schedule_context,
    define_asset_job,
)
from dagster._utils.schedules import schedule_execution_time_iterator

from ab_pipeline.automation.schedules import (
    DAILY_REFRESH,
    FRESHNESS,
    LATE_DATA_SWEEP,
    SNAPSHOTS,
    default_status,
    schedules,
)
from ab_pipeline.automation.turns import Turns
from ab_pipeline.partitions import daily_partitions
from ab_pipeline.settings import Settings

BERLIN = Settings(timezone="Europe/Berlin", start_date=date(2025, 1, 1), target="local")
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


@asset(partitions_def=daily_partitions(BERLIN))
def facts() -> None: ...


@asset
def dims() -> None: ...


refresh, snapshots, freshness = (
    define_asset_job("refresh", AssetSelection.all()),
    define_asset_job("snapshots", AssetSelection.assets(dims)),
    define_asset_job("freshness", AssetSelection.assets(dims)),
)


def schedules_of(settings: Settings, turns: Turns | None = None) -> dict[str, ScheduleDefinition]:
    made = schedules(
        settings,
        refresh=refresh,
        snapshots=snapshots,
        freshness=freshness,
        turns=turns or Turns(),
        identify=lambda: "here",
    )
    return {schedule.name: schedule for schedule in made}


TURNS = Turns()
DEFINITIONS = Definitions(
    assets=[facts, dims], jobs=[refresh, snapshots, freshness], schedules=list(schedules_of(BERLIN, TURNS).values())
)


def ticks(name: str, first: date, last: date, settings: Settings = BERLIN) -> Iterator[datetime]:
    """When the daemon runs a schedule on these local days."""
    zone = ZoneInfo(settings.timezone)
    start = datetime.combine(first, time(), zone)
    cron = str(schedules_of(settings)[name].cron_schedule)
    times = schedule_execution_time_iterator(start.timestamp(), cron, settings.timezone)
    return takewhile(lambda tick: tick.date() <= last, (tick.astimezone(zone) for tick in times))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path)) as temporary:
        yield temporary


def evaluate(name: str, at: datetime, instance: DagsterInstance) -> list[str | None] | str | None:
    """The partitions that are requested, or why none is."""
    schedule = DEFINITIONS.resolve_schedule_def(name)
    context = build_schedule_context(
        instance, scheduled_execution_time=at, repository_def=DEFINITIONS.get_repository_def()
    )
    result = schedule.evaluate_tick(context)
    return [request.partition_key for request in result.run_requests or []] or result.skip_message


@pytest.mark.parametrize("changed", [SPRING, AUTUMN])
def test_yesterday_is_refreshed_once_a_local_day_also_when_the_clock_changes(
    changed: date, instance: DagsterInstance
) -> None:
    around = [changed + timedelta(days=offset) for offset in (-1, 0, 1)]
    runs = list(ticks(DAILY_REFRESH, around[0], around[-1]))
    assert [(run.date(), run.time()) for run in runs] == [(day, time(4)) for day in around]
    requested = [evaluate(DAILY_REFRESH, run, instance) for run in runs]
    assert requested == [[str(day - timedelta(days=1))] for day in around]


@pytest.mark.parametrize("changed", [SPRING, AUTUMN])
def test_snapshots_are_taken_once_a_local_day(changed: date) -> None:
    around = [changed + timedelta(days=offset) for offset in (-1, 0, 1)]
    assert [run.date() for run in ticks(SNAPSHOTS, around[0], around[-1])] == around


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 28), 24), (SPRING, 23), (AUTUMN, 25)])
def test_freshness_is_checked_every_hour_there_is(day: date, hours: int) -> None:
    assert len(list(ticks(FRESHNESS, day, day))) == hours


def test_no_clock_on_earth_skips_or_repeats_the_times_of_the_nightly_schedules() -> None:
    times = [time(4), time(4, 15), time(4, 30)]
    for name in available_timezones():
        zone = ZoneInfo(name)
        noons = [datetime(2026, 1, 1, 12, tzinfo=zone) + timedelta(days=number) for number in range(730)]
        for before, noon in pairwise(noons):
            if before.utcoffset() != noon.utcoffset():
                for at in times:
                    moment = datetime.combine(noon.date(), at, zone)
                    assert moment.utcoffset() == moment.replace(fold=1).utcoffset(), (name, moment)
                    assert moment.astimezone(UTC).astimezone(zone).time() == at, (name, moment)


def test_a_day_that_is_being_refreshed_is_not_requested_again(instance: DagsterInstance) -> None:
    at = datetime(2026, 6, 1, 4, tzinfo=ZoneInfo("Europe/Berlin"))
    run = instance.create_run_for_job(
        DEFINITIONS.resolve_job_def("refresh"),
        status=DagsterRunStatus.STARTED,
        tags={
            "dagster/asset_partition_range_start": "2026-05-30",
            "dagster/asset_partition_range_end": "2026-05-31",
        },
    )
    assert evaluate(DAILY_REFRESH, at, instance) == f"2026-05-31 is being refreshed by run {run.run_id[:8]}"
    instance.report_run_failed(run)
    assert evaluate(DAILY_REFRESH, at, instance) == ["2026-05-31"]


def test_a_day_that_the_sensor_is_about_to_request_is_not_requested_too(instance: DagsterInstance) -> None:
    at = datetime(2026, 6, 1, 4, tzinfo=ZoneInfo("Europe/Berlin"))
    with TURNS.take("raw_changes", instance, datetime.now(UTC), lambda: "here") as turn:
        turn.request([date(2026, 5, 31)])
    said = str(evaluate(DAILY_REFRESH, at, instance))
    assert said == "2026-05-31 is being refreshed by a run that raw_changes has just requested"
    assert evaluate(DAILY_REFRESH, at + timedelta(days=1), instance) == ["2026-06-01"]


def test_before_the_first_day_there_is_nothing_to_refresh(instance: DagsterInstance) -> None:
    at = datetime(2025, 1, 1, 4, tzinfo=ZoneInfo("Europe/Berlin"))
    assert evaluate(DAILY_REFRESH, at, instance) == "2024-12-31 is before AB_PIPELINE_START_DATE=2025-01-01"


def test_freshness_checks_do_not_pile_up_behind_a_long_run(instance: DagsterInstance) -> None:
    at = datetime(2026, 6, 1, 4, 45, tzinfo=ZoneInfo("Europe/Berlin"))
    run = instance.create_run_for_job(DEFINITIONS.resolve_job_def("freshness"), status=DagsterRunStatus.STARTED)
    assert evaluate(FRESHNESS, at, instance) == "the last one has not finished"
    instance.report_run_failed(run)
    assert evaluate(FRESHNESS, at, instance) == [None]


def test_every_target_says_which_schedules_run_by_default() -> None:
    names = {DAILY_REFRESH, FRESHNESS, LATE_DATA_SWEEP, SNAPSHOTS}
    running = {
        target: {name for name in names if default_status(name, target) == DefaultScheduleStatus.RUNNING}
        for target in get_args(Settings.model_fields["target"].annotation)
    }
    assert running == {"local": {LATE_DATA_SWEEP}, "redshift": names}
    assert {schedule.default_status for schedule in schedules_of(BERLIN).values()} == {DefaultScheduleStatus.STOPPED}


def test_a_target_nobody_decided_for_is_refused() -> None:
    with pytest.raises(ValueError, match="target snowflake"):
        default_status(DAILY_REFRESH, "snowflake")
