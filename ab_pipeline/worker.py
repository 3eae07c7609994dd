"""The process that a run works in, as a tag of the run."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Self

import psutil

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
