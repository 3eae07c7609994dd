"""`ab-pipeline changes` says what the sensor says at that moment, and never "nothing" where nobody can see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dagster import DagsterInstance
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
)

from ab_pipeline.automation.raw_changes import RAW_CHANGES
from ab_pipeline_tests.automation.two_days import EVENT, JAN, reason
from ab_pipeline_tests.daemon import Daemon
from ab_pipeline_tests.dbt_warehouse import DuckDBFile

COMMAND = Path(sys.executable).with_name("ab-pipeline")
ORIGIN = RemoteInstigatorOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("ab_pipeline.definitions"), "__repository__"), RAW_CHANGES
)


def changes(instance: DagsterInstance) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DAGSTER_HOME": str(instance.root_directory)}
    return subprocess.run([str(COMMAND), "changes"], env=environment, capture_output=True, text=True, check=False)


def test_the_command_says_what_the_sensor_says(built: Daemon, warehouse: DuckDBFile) -> None:
    data = SensorInstigatorData(min_interval=4, cursor=built.cursor)
    built.instance.add_instigator_state(
        InstigatorState(ORIGIN, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, data)
    )
    found = changes(built.instance)
    assert (found.returncode, found.stdout) == (0, f"The sensor requests nothing: {reason(built)}\n"), found.stderr
    warehouse.execute(EVENT, [JAN[0]])
    found = changes(built.instance)
    assert found.stdout.startswith("compared: 2 days; due: 2025-01-01; looked at ")
    assert built.instance.get_runs_count() == 0, "nothing is started"


def test_what_cannot_be_seen_is_no_nothing(built: Daemon, warehouse: DuckDBFile) -> None:
    warehouse.execute("drop table raw_data.user_event")
    found = changes(built.instance)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr.startswith(f"Error: missing in {warehouse.path}: raw_data.user_event.")
