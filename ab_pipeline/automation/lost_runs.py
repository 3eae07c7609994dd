"""Runs whose process is gone: killed without a chance to say so.

Dagster's default launcher does not look: such a run stays STARTED for ever, keeps its slot in the warehouse pool,
and every later run waits for it. Runs that never got a process are run monitoring's (deploy/dagster.yaml).
"""

from __future__ import annotations

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from ab_pipeline.worker import WORKER_TAG, Worker


def fail_lost_runs(instance: DagsterInstance) -> list[str]:
    """Mark runs whose process is gone as failed and free their pool slots; the ids of those runs."""
    lost = [
        run
        for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]))
        if (tag := run.tags.get(WORKER_TAG)) and Worker.from_tag(tag).is_gone()
    ]
    for run in lost:
        instance.report_run_failed(run, f"The run's process ({run.tags[WORKER_TAG]}) ended without a word.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in lost]
