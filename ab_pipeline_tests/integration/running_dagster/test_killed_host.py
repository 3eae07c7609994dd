"""A machine that goes down in the middle of a run: when it is back, the run has failed and its day is built."""

from __future__ import annotations

import os
import signal

import pytest
from dagster import DagsterRun, DagsterRunStatus, RunsFilter

from ab_pipeline.worker import WORKER_TAG, Worker
from ab_pipeline_tests.integration.duckdb_only import duckdb_only
from ab_pipeline_tests.integration.running_dagster.dev import dagster_dev, until
from ab_pipeline_tests.integration.running_dagster.project import LAST_DAY, DagsterProject

pytestmark = [
    duckdb_only,
    pytest.mark.thorough,
    pytest.mark.filterwarnings("ignore:Using variable_values:DeprecationWarning"),
]


def test_a_run_its_code_server_and_the_daemon_are_killed_together(built: DagsterProject) -> None:
    event = f"insert into raw_data.user_event values (1, timestamp '{LAST_DAY}', 9, 0, 0, 1)"
    with built.instance() as instance, dagster_dev(built) as dev:
        run_id = dev.client.submit_job_execution("refresh", tags={"dagster/partition": LAST_DAY})

        def run() -> DagsterRun:
            [found] = instance.get_runs(RunsFilter(run_ids=[run_id]))
            return found

        until(lambda: run().status == DagsterRunStatus.STARTED and WORKER_TAG in run().tags)
        pid = Worker.from_tag(run().tags[WORKER_TAG]).pid
        dev.kill()
        os.kill(pid, signal.SIGKILL)
        # the run may have come as far as the commit
        built.execute(event)
        assert not built.is_as_mandated()
        assert run().status == DagsterRunStatus.STARTED

        with dagster_dev(built):
            until(lambda: run().status == DagsterRunStatus.FAILURE)
            # the slot of the warehouse is free, and the sensor has asked for the day again
            until(lambda: DagsterRunStatus.SUCCESS in built.statuses() or None)
            until(built.is_as_mandated)
