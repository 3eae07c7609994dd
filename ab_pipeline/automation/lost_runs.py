"""Runs whose process is gone: killed without a chance to say so.

Dagster's default launcher does not look: such a run stays STARTED for ever, keeps its slot in the warehouse pool,
and every later run waits for it. Runs that never got a process are run monitoring's (deploy/dagster.yaml).
"""

from __future__ import annotations

from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus, DefaultRunLauncher, RunsFilter

from ab_pipeline.worker import WORKER_TAG, Worker

_WORKING = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


def fail_lost_runs(instance: DagsterInstance) -> list[str]:
    """Mark runs whose process is gone as failed, or as the canceled ones they were to be, and free their pool slots.

    The ids of those runs.
    """
    lost = []
    for run in instance.get_runs(RunsFilter(statuses=_WORKING)):
        worker = _worker(instance, run)
        # a process may have ended just now, as it should
        if worker and worker.is_gone() and _is_working(instance, run.run_id):
            why = f"The run's process ({worker.tag}) ended without a word."
            if run.status == DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, why)
            else:
                instance.report_run_failed(run, why)
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            lost.append(run.run_id)
    return lost


def _worker(instance: DagsterInstance, run: DagsterRun) -> Worker | None:
    if tag := run.tags.get(WORKER_TAG):
        return Worker.from_tag(tag)
    if not isinstance(instance.run_launcher, DefaultRunLauncher):
        return None
    # killed before its step began: that launcher's processes are on this host, and say their number first
    for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.dagster_event
        if event and (pid := event.engine_event_data.metadata.get("pid")):
            return Worker.seen_at(int(str(pid.value)), entry.timestamp)
    return None


def _is_working(instance: DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and run.status in _WORKING
