"""A `dagster dev` that has only the workspace.yaml at the root to go by."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline_tests.integration.running_dagster.project import BIN, DagsterProject

# for what takes seconds, on a machine that has much else to do
PATIENCE = 600.0
T = TypeVar("T")


def until(look: Callable[[], T | None]) -> T:
    """What a look gives, once it gives something."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class DagsterDev:
    """Web server, daemon and code server, in one process group."""

    client: DagsterGraphQLClient
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """All of it, at once. A second time changes nothing."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def dagster_dev(project: DagsterProject) -> Iterator[DagsterDev]:
    """One that answers, until the block is left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = project.home / "dagster_dev.log"
    with path.open("w") as log:
        process = subprocess.Popen(
            [str(BIN / "dagster"), "dev", "--port", str(port)],
            cwd=PROJECT_ROOT,
            env=project.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        dev = DagsterDev(DagsterGraphQLClient("127.0.0.1", port_number=port), process)
        try:
            _until_it_answers(dev, path)
            yield dev
        finally:
            dev.kill()


def _until_it_answers(dev: DagsterDev, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(DagsterGraphQLClientError):
            dev.client._execute("{ version }")
            return
        time.sleep(0.5)
    raise AssertionError(log.read_text())
