"""`ab-pipeline watch` as a process of its own, while PostgreSQL is frozen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest
from dagster import DagsterInstance

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline_tests.doctor.place import beat
from ab_pipeline_tests.door.served import COMMAND, environment, free_port
from ab_pipeline_tests.servers import postgres_server, server_folder

pytestmark = pytest.mark.slow


def home_on(url: str, home: Path) -> None:
    home.mkdir()
    text = (PROJECT_ROOT / "deploy" / "dagster.yaml").read_text()
    text = text[: text.index("# SQLite with batches")]
    where = url.replace("postgresql://", "postgresql+psycopg2://")
    (home / "dagster.yaml").write_text(f"{text}storage:\n  postgres:\n    postgres_url: {where}\n")


@contextmanager
def watch_process(home: Path) -> Iterator[str]:
    port = free_port()
    log = home / "watch.log"
    env = {**environment(home, 1), "AB_PIPELINE_ALERTS_PATH": str(home / "alerts.jsonl")}
    with log.open("w") as output:
        process = subprocess.Popen([COMMAND, "watch", "--port", str(port)], env=env, stdout=output, stderr=output)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def wait_for(url: str, status: int, seconds: float) -> dict[str, object]:
    """The answer, once it has this status. Each answer comes within a second."""
    deadline, answer = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            answer = httpx2.get(url, timeout=1)
            if answer.status_code == status:
                return answer.json()
        except httpx2.ConnectError:
            pass
        time.sleep(0.1)
    raise AssertionError(answer and answer.text)


def signal_all(folder: Path, what: signal.Signals) -> None:
    """To the server of the folder, and to its children."""
    for process in psutil.process_iter(["cmdline", "name"]):
        if process.info["name"] == "postgres" and any(str(folder) in word for word in process.info["cmdline"] or ()):
            for one in (process, *process.children(recursive=True)):
                os.kill(one.pid, what)


def test_while_postgres_is_frozen_it_says_so_and_afterwards_all_is_well() -> None:
    with server_folder() as folder, postgres_server(folder) as url:
        home = folder / "home"
        home_on(url, home)
        with DagsterInstance.from_config(str(home)) as instance:
            beat(instance)
        with watch_process(home) as watch:
            wait_for(f"{watch}/readyz/daemon", 200, 120)
            signal_all(folder, signal.SIGSTOP)
            try:
                said = wait_for(f"{watch}/readyz/metadata_database", 503, 20)
                assert said["failing"] == ["metadata_database"]
                assert wait_for(f"{watch}/readyz/daemon", 503, 5)["unknown"] == ["daemon"]
                assert httpx2.get(f"{watch}/metrics", timeout=1).status_code == 200
            finally:
                signal_all(folder, signal.SIGCONT)
            wait_for(f"{watch}/readyz/daemon", 200, 60)
        shutil.rmtree(home)
