"""A machine that was asleep at half past four makes up for the sweep when it wakes, by Dagster's own scheduler."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.test_utils import create_test_daemon_workspace_context, freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.daemon import get_default_daemon_logger
from dagster._scheduler.scheduler import ScheduleIterationTimes, launch_scheduled_runs

# of the context that Dagster makes for a code location in this process
pytestmark = pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`:DeprecationWarning")

SLEEPER = """
import dagster as dg

@dg.op
def nothing() -> None: ...

@dg.job
def refresh() -> None:
    nothing()

@dg.schedule(name="late_data_sweep", job=refresh, cron_schedule="30 4 * * *", execution_timezone="Europe/Berlin",
             default_status=dg.DefaultScheduleStatus.RUNNING)
def late_data_sweep(context):
    return dg.SkipReason(f"compared at {context.scheduled_execution_time:%Y-%m-%d %H:%M}")

defs = dg.Definitions(jobs=[refresh], schedules=[late_data_sweep])
"""


@pytest.fixture
def workspace(instance: DagsterInstance, tmp_path: Path) -> Iterator[WorkspaceProcessContext]:
    path = tmp_path / "sleeper.py"
    path.write_text(SLEEPER)
    origin = LoadableTargetOrigin(executable_path=sys.executable, python_file=str(path), attribute="defs")
    target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(origin, location_name="sleeper"))
    with create_test_daemon_workspace_context(target, instance) as context:
        yield context


def iterate(workspace: WorkspaceProcessContext, now: datetime, kept: dict[str, ScheduleIterationTimes]) -> None:
    """One round of a daemon, which keeps something between two rounds."""
    logger = get_default_daemon_logger("SchedulerDaemon")
    with freeze_time(now):
        list(launch_scheduled_runs(workspace, logger, end_datetime_utc=now, iteration_times=kept))


def reasons(instance: DagsterInstance) -> list[str | None]:
    [state] = instance.all_instigator_state()
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
    return [tick.skip_reason for tick in reversed(ticks) if tick.status == TickStatus.SKIPPED]


@pytest.mark.parametrize("slept", ["asleep", "off"])
def test_the_newest_night_that_was_missed_is_made_up_for(
    workspace: WorkspaceProcessContext, instance: DagsterInstance, slept: str
) -> None:
    evening = datetime(2026, 3, 27, 20, tzinfo=UTC)
    kept: dict[str, ScheduleIterationTimes] = {}
    iterate(workspace, evening, kept)
    # the clocks go forward in between
    iterate(workspace, evening + timedelta(days=2, hours=12), kept if slept == "asleep" else {})
    assert "compared at 2026-03-30 04:30" in reasons(instance)
