"""Runs say who launched them. Named in dagster.yaml, so it imports nothing of the door: every process loads it."""

from __future__ import annotations

from dagster import DagsterRun, DagsterRunStatus
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from dagster._core.storage.tags import USER_TAG


class LaunchedByRunCoordinator(QueuedRunCoordinator):
    """Dagster's queue. A run that comes through the door carries the visitor's name, whatever its client says."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Name who launched it before it is queued: afterwards a change of its status could be lost."""
        scope = getattr(getattr(context.workspace, "source", None), "scope", {})
        visitor, run = scope.get("user"), context.dagster_run
        if visitor is not None and run.status == DagsterRunStatus.NOT_STARTED:
            self._instance.add_run_tags(run.run_id, {USER_TAG: visitor.display_name})
        return super().submit_run(context)
