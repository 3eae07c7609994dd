"""The process that a run works in, as a tag of the run."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Self

import psutil

WORKER_TAG = "ab_pipeline/worker"
WAREHOUSE_TAG = "ab_pipeline/warehouse"
"""Which database a run builds: its identity."""
DATABASE_TAG = "ab_pipeline/database"
"""The name of the database that a code location builds, on the job that does it."""
# the kernel tells creation times from boot on: setting the clock moves them, for processes that live as well
_CLOCK_CORRECTION = 10


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

    @classmethod
    def seen_at(cls, pid: int, moment: float) -> Self:
        """The process of this host that had the number at a moment."""
        try:
            created_at = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            created_at = moment
        return cls(socket.gethostname(), pid, min(created_at, moment))

    @property
    def tag(self) -> str:
        """As the value of a run tag."""
        return f"{self.host}:{self.pid}:{self.created_at}"

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this host."""
        return self.host == socket.gethostname()

    def interrupt(self) -> bool:
        """Ask it to end, and to say so; False if it is gone."""
        if self.is_gone():
            return False
        psutil.Process(self.pid).terminate()
        return True

    def is_gone(self) -> bool:
        """Whether it is known to have ended. A process of another host is never known to have."""
        if not self.is_here:
            return False
        try:
            process = psutil.Process(self.pid)
            is_another = abs(process.create_time() - self.created_at) > _CLOCK_CORRECTION
            return is_another or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
