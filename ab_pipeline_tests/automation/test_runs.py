"""What Dagster's run storage knows of days: being built, tried in vain, asked for before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, job
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from ab_pipeline.automation.plan import DueDay, Refresh
from ab_pipeline.automation.runs import days_in_flight, failures_of_due_days, refresh_tags, unused_run_key

DATABASE = "demo.duckdb #0123456789ab"
JAN_1, JAN_2, JAN_3 = (date(2025, 1, day) for day in (1, 2, 3))
REFRESH = Refresh((DueDay(JAN_1, "aaaaaaaa"), DueDay(JAN_2, "bbbbbbbb")), attempt=0)
IN_FLIGHT = (
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)
_ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("ab_pipeline"), "defs"), "refresh")
ENDED = (DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)


@job
def refresh() -> None:
    pass


def run_with(
    instance: DagsterInstance, tags: Mapping[str, str], status: DagsterRunStatus = DagsterRunStatus.QUEUED
) -> DagsterRun:
    return instance.create_run_for_job(refresh, tags=tags, status=status, remote_job_origin=_ORIGIN)


def test_a_run_is_tagged_with_its_days_as_dagster_reads_them() -> None:
    tags = refresh_tags(REFRESH, DATABASE)
    assert tags[ASSET_PARTITION_RANGE_START_TAG] == "2025-01-01"
    assert tags[ASSET_PARTITION_RANGE_END_TAG] == "2025-01-02"


# In flight


def test_nothing_is_in_flight_without_runs(instance: DagsterInstance) -> None:
    assert days_in_flight(instance) == {}


@pytest.mark.parametrize("status", IN_FLIGHT)
def test_the_days_of_a_run_that_has_not_ended_are_in_flight(
    instance: DagsterInstance, status: DagsterRunStatus
) -> None:
    run_with(instance, refresh_tags(REFRESH, DATABASE), status)
    assert days_in_flight(instance).keys() == {JAN_1, JAN_2}


@pytest.mark.parametrize("status", ENDED)
def test_the_days_of_a_run_that_has_ended_are_not(instance: DagsterInstance, status: DagsterRunStatus) -> None:
    run_with(instance, refresh_tags(REFRESH, DATABASE), status)
    assert days_in_flight(instance) == {}


def test_a_run_of_one_partition_that_somebody_started_by_hand_counts(instance: DagsterInstance) -> None:
    run_with(instance, {PARTITION_NAME_TAG: "2025-01-03"})
    assert days_in_flight(instance).keys() == {JAN_3}


def test_a_run_of_no_days_keeps_none_waiting(instance: DagsterInstance) -> None:
    run_with(instance, {})
    assert days_in_flight(instance) == {}


# Tried in vain


def test_each_failed_run_counts_for_each_of_its_days_with_the_events_it_was_for(instance: DagsterInstance) -> None:
    run_with(instance, refresh_tags(REFRESH, DATABASE), DagsterRunStatus.FAILURE)
    run_with(instance, refresh_tags(Refresh(REFRESH.days[:1], 1), DATABASE), DagsterRunStatus.FAILURE)
    run_with(instance, refresh_tags(Refresh((DueDay(JAN_1, "cccccccc"),), 0), DATABASE), DagsterRunStatus.FAILURE)
    failures = failures_of_due_days(instance, datetime.now(UTC), DATABASE)
    assert {due: failure.count for due, failure in failures.items()} == {
        DueDay(JAN_1, "aaaaaaaa"): 2,
        DueDay(JAN_2, "bbbbbbbb"): 1,
        DueDay(JAN_1, "cccccccc"): 1,
    }


def test_a_run_that_was_cancelled_in_the_queue_counts_from_then_on(instance: DagsterInstance) -> None:
    before = datetime.now(UTC)
    instance.report_run_canceled(run_with(instance, refresh_tags(REFRESH, DATABASE)))
    failures = failures_of_due_days(instance, datetime.now(UTC), DATABASE)
    assert before <= failures[REFRESH.days[0]].last_at <= datetime.now(UTC)


@pytest.mark.parametrize("status", [*IN_FLIGHT, DagsterRunStatus.SUCCESS])
def test_other_runs_are_no_failures(instance: DagsterInstance, status: DagsterRunStatus) -> None:
    run_with(instance, refresh_tags(REFRESH, DATABASE), status)
    assert failures_of_due_days(instance, datetime.now(UTC), DATABASE) == {}


def test_a_failed_run_that_was_started_by_hand_keeps_no_day_waiting(instance: DagsterInstance) -> None:
    run_with(instance, {PARTITION_NAME_TAG: "2025-01-03"}, DagsterRunStatus.FAILURE)
    assert DueDay(JAN_3, "aaaaaaaa") not in failures_of_due_days(instance, datetime.now(UTC), DATABASE)


def test_failures_are_forgotten_after_two_days(instance: DagsterInstance) -> None:
    run_with(instance, refresh_tags(REFRESH, DATABASE), DagsterRunStatus.FAILURE)
    now = datetime.now(UTC)
    assert failures_of_due_days(instance, now + timedelta(hours=47), DATABASE)
    assert not failures_of_due_days(instance, now + timedelta(hours=49), DATABASE)


# Asked for before: Dagster skips a run key that exists, for ever


def test_the_run_key_stays_while_the_run_has_not_ended(instance: DagsterInstance) -> None:
    assert unused_run_key(instance, REFRESH) == REFRESH.run_key
    run_with(instance, refresh_tags(REFRESH, DATABASE))
    assert unused_run_key(instance, REFRESH) == REFRESH.run_key


@pytest.mark.parametrize("status", ENDED)
def test_the_same_refresh_after_one_that_has_ended_has_a_key_of_its_own(
    instance: DagsterInstance, status: DagsterRunStatus
) -> None:
    keys = [unused_run_key(instance, REFRESH)]
    for _ in range(2):
        run_with(instance, refresh_tags(REFRESH, DATABASE), status)
        keys.append(unused_run_key(instance, REFRESH))
    assert len(set(keys)) == 3
