"""Runs whose process was killed: noticed, failed, and their slot in the warehouse pool given back."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, job
from dagster._core.events import EngineEventData

from ab_pipeline.assets.dbt import WAREHOUSE_POOL
from ab_pipeline.automation.lost_runs import fail_lost_runs
from ab_pipeline.worker import WORKER_TAG, Worker


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@job
def refresh() -> None:
    pass


def started_run(instance: DagsterInstance, worker: Worker | None) -> DagsterRun:
    tags = {WORKER_TAG: worker.tag} if worker else {}
    return instance.create_run_for_job(refresh, tags=tags, status=DagsterRunStatus.STARTED)


def worker_of(process: subprocess.Popen[bytes]) -> Worker:
    return Worker(socket.gethostname(), process.pid, psutil.Process(process.pid).create_time())


def status(instance: DagsterInstance, run: DagsterRun) -> DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found
    return found.status


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def test_a_run_whose_process_was_killed_fails_with_the_reason(
    instance: DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    run = started_run(instance, worker_of(process))
    assert fail_lost_runs(instance) == []
    kill(process)
    assert fail_lost_runs(instance) == [run.run_id]
    assert status(instance, run) == DagsterRunStatus.FAILURE
    [failure] = instance.all_logs(run.run_id, of_type=DagsterEventType.RUN_FAILURE)
    assert f":{process.pid}:" in (failure.get_dagster_event().message or "")
    assert fail_lost_runs(instance) == []


def test_a_run_that_was_being_cancelled_when_its_process_was_killed_ends_as_well(
    instance: DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    run = started_run(instance, worker_of(process))
    instance.report_run_canceling(run)
    kill(process)
    assert fail_lost_runs(instance) == [run.run_id]
    assert status(instance, run) == DagsterRunStatus.CANCELED


def test_its_slot_in_the_warehouse_pool_is_free_again(
    instance: DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    lost, next_run = started_run(instance, worker_of(process)), started_run(instance, Worker.current())
    storage = instance.event_log_storage
    storage.set_concurrency_slots(WAREHOUSE_POOL, 1)
    assert storage.claim_concurrency_slot(WAREHOUSE_POOL, lost.run_id, "warehouse").is_claimed
    assert not storage.claim_concurrency_slot(WAREHOUSE_POOL, next_run.run_id, "warehouse").is_claimed
    kill(process)
    fail_lost_runs(instance)
    assert storage.claim_concurrency_slot(WAREHOUSE_POOL, next_run.run_id, "warehouse").is_claimed


def test_runs_that_are_not_known_to_be_lost_are_left_alone(
    instance: DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    worker = worker_of(process)
    runs = [
        started_run(instance, Worker.current()),
        started_run(instance, worker),
        started_run(instance, replace(worker, host="another-host", pid=2**22 + 1)),
        started_run(instance, None),
    ]
    assert fail_lost_runs(instance) == []
    assert {status(instance, run) for run in runs} == {DagsterRunStatus.STARTED}


def test_a_later_process_with_the_number_of_the_killed_one_does_not_hide_it(
    instance: DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    worker = worker_of(process)
    run = started_run(instance, replace(worker, created_at=worker.created_at - 3600))
    assert fail_lost_runs(instance) == [run.run_id]


def test_runs_that_have_ended_keep_their_end(instance: DagsterInstance, process: subprocess.Popen[bytes]) -> None:
    run = started_run(instance, worker_of(process))
    success = DagsterEvent(DagsterEventType.RUN_SUCCESS.value, refresh.name)
    instance.report_dagster_event(success, run.run_id)
    kill(process)
    assert fail_lost_runs(instance) == []
    assert status(instance, run) == DagsterRunStatus.SUCCESS


def test_a_process_that_was_killed_before_its_step_began_is_noticed_as_well(
    instance: DagsterInstance, process: subprocess.Popen[bytes]
) -> None:
    """It has not written the tag yet. All that is known is what Dagster's own worker says first."""
    run = started_run(instance, None)
    started = EngineEventData.in_process(process.pid)
    instance.report_engine_event(f"Started process for run (pid: {process.pid}).", run, started)
    assert fail_lost_runs(instance) == []
    kill(process)
    assert fail_lost_runs(instance) == [run.run_id]
