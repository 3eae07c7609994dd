"""What the door costs: `ab-pipeline serve` beside `dagster-webserver`, on the same storage and the same runs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.test_utils import create_run_for_test

from ab_pipeline.door.roles import Role
from ab_pipeline_tests.door.doors import PASSWORD
from ab_pipeline_tests.door.served import environment, free_port, served

_VERSION = "{ version }"
_RUNS = "{ runsOrError(limit: 100) { ... on Runs { results { id status tags { key value } startTime endTime } } } }"
_STORED_RUNS = 300
_WARM_UP = 20


@dataclass(frozen=True)
class Cost:
    """Median seconds of a query, and resident bytes of the server after all queries."""

    version: float
    runs: float
    bytes: int


@dataclass(frozen=True)
class Costs:
    """Of the door as a browser and as a program uses it, and of Dagster's own server."""

    session: Cost
    token: Cost
    bare: Cost


def costs(folder: Path, requests: int) -> Costs:
    """Asked in turns, so that what else the machine does meets all of them."""
    with served(folder / "home") as door:
        with DagsterInstance.from_config(str(door.home)) as instance:
            for _ in range(_STORED_RUNS):
                create_run_for_test(instance, "greeting", status=DagsterRunStatus.SUCCESS, tags={"a": "b", "c": "d"})
        with _bare(door.home) as (bare_url, bare), httpx2.Client(base_url=door.url) as session:
            session.post("/login", data={"name": "viewer", "password": PASSWORD, "next": "/"})
            header = {"Authorization": f"Bearer {door.tokens[Role.VIEWER]}"}
            with httpx2.Client(base_url=door.url, headers=header) as token, httpx2.Client(base_url=bare_url) as plain:
                clients = {"session": session, "token": token, "bare": plain}
                version = _medians(clients, _VERSION, requests)
                runs = _medians(clients, _RUNS, requests // 4)
            sizes = {"session": _size(door.process), "token": _size(door.process), "bare": _size(bare)}
    return Costs(**{name: Cost(version[name], runs[name], sizes[name]) for name in sizes})


def _medians(clients: dict[str, httpx2.Client], query: str, requests: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in clients}
    for number in range(_WARM_UP + requests):
        for name, client in clients.items():
            started = time.perf_counter()
            client.post("/graphql", json={"query": query}, timeout=60).raise_for_status()
            if number >= _WARM_UP:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(found) for name, found in seconds.items()}


def _size(process: subprocess.Popen[str]) -> int:
    return psutil.Process(process.pid).memory_info().rss


@contextmanager
def _bare(home: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    port = free_port()
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        [*command, "-w", str(home / "workspace.yaml")],
        env=environment(home, port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        for _ in range(300):
            try:
                httpx2.get(f"http://127.0.0.1:{port}/server_info")
                break
            except httpx2.HTTPError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait()
