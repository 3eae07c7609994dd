"""A refresh as a person's click starts it: a request to a running `dagster dev`, until the run has succeeded."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from dagster_graphql import DagsterGraphQLClient

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.warm_runs.channel import TemplateError, call
from benchmarks.measure import median_seconds
from benchmarks.warehouse import DAILY_TABLE, EXPERIMENTS, ScratchWarehouse

_START_TIMEOUT = 120


@dataclass(frozen=True)
class WarmRefresh:
    """Median seconds from the request for one day to the run's success."""

    daily_table: float
    everything: float
    """With experiments, verdicts and pages."""


def refresh_through_dagster_dev(warehouse: ScratchWarehouse, runs: int) -> WarmRefresh:
    """Medians of refreshes through a running `dagster dev`."""
    day = str(warehouse.spec.end_date)

    def refresh(client: DagsterGraphQLClient, assets: Sequence[str]) -> float:
        started = time.perf_counter()
        run_id = client.submit_job_execution("refresh", tags={"dagster/partition": day}, asset_selection=assets)
        while (status := client.get_run_status(run_id).value) not in {"SUCCESS", "FAILURE", "CANCELED"}:
            time.sleep(0.05)
        if status != "SUCCESS":
            raise RuntimeError(f"run {run_id} ended as {status}")
        return time.perf_counter() - started

    with running_dagster_dev(warehouse) as client:
        return WarmRefresh(
            median_seconds(runs, lambda: refresh(client, DAILY_TABLE)),
            median_seconds(runs, lambda: refresh(client, (*DAILY_TABLE, *EXPERIMENTS))),
        )


def _until_warm(home: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while True:
        try:
            return call(home, 1).close()
        except TemplateError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@contextlib.contextmanager
def running_dagster_dev(warehouse: ScratchWarehouse) -> Iterator[DagsterGraphQLClient]:
    """`dagster dev` on a warehouse, whose host is warm, until the block is left."""
    port = _free_port()
    process = start_dagster_dev(warehouse, port)
    try:
        client = _client(port)
        _until_warm(warehouse.folder)
        yield client
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def start_dagster_dev(warehouse: ScratchWarehouse, port: int | None = None) -> subprocess.Popen[bytes]:
    """`dagster dev` on a warehouse, in a process group of its own."""
    command = [str(PROJECT_ROOT / ".venv" / "bin" / "dagster"), "dev", "--port", str(port or _free_port())]
    return subprocess.Popen(
        command,
        cwd=PROJECT_ROOT,
        env=dict(os.environ) | warehouse.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _client(port: int) -> DagsterGraphQLClient:
    deadline = time.monotonic() + _START_TIMEOUT
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info"):
                return DagsterGraphQLClient("127.0.0.1", port_number=port)
        except URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
