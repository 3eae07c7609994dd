"""Runs whose process is gone: killed without a chance to say so.

Dagster's default launcher does not look: such a run stays STARTED for ever, keeps its slot in the warehouse pool,
and every later run waits for it. Runs that never got a process are run monitoring's (deploy/dagster.yaml).
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Self

import psutil
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

WORKER_TAG = "ab_pipeline/worker"


@dataclass(frozen=True)
class Worker:
    """The process of a run. The time it was created tells it from a later one with the same number."""

    host: str
    pid: int
    created_at: float

    @classmethod
    def current(cls) -> Self:
        """This process."""
        process = psutil.Process()
        return cls(socket.gethostname(), process.pid, process.create_time())

    @classmethod
    def from_tag(cls, tag: str) -> Self:
        """What `tag` wrote."""
        host, pid, created_at = tag.rsplit(":", 2)
        return cls(host, int(pid), float(created_at))

    @property
    def tag(self) -> str:
        """As the value of a run tag."""
        return f"{self.host}:{self.pid}:{self.created_at}"

    def is_gone(self) -> bool:
        """Whether it is known to have ended. A process of another host is never known to have."""
        if self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.pid)
            return process.create_time() != self.created_at or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


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
