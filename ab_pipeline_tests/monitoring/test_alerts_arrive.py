"""Debian's Prometheus and Alertmanager around a real daemon and a real watch: what is killed is told, and stays so."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline_tests.door.served import COMMAND, environment, free_port
from ab_pipeline_tests.http_server import Asked, http_server
from ab_pipeline_tests.monitoring.debian import binaries
from ab_pipeline_tests.monitoring.test_deployed import FOLDER, queries

pytestmark = [pytest.mark.slow, pytest.mark.thorough]
# the scheduler beats once a minute
_TOLERANCE = "100"


@dataclass
class Webhook:
    """What Alertmanager delivered."""

    url: str
    states: dict[str, str] = field(default_factory=dict)

    def take(self, delivered: dict[str, Any]) -> None:
        for alert in delivered["alerts"]:
            labels = alert["labels"]
            self.states[f"{labels['alertname']} {labels.get('component', '')}".strip()] = alert["status"]


@contextmanager
def webhook() -> Iterator[Webhook]:
    found = Webhook("")

    def answer(asked: Asked) -> tuple[int, bytes]:
        found.take(json.loads(asked.body))
        return 200, b""

    with http_server(answer) as found.url:
        yield found


@contextmanager
def process(command: list[object], log: Path, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        started = subprocess.Popen([str(word) for word in command], env=env, stdout=output, stderr=output)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def until(what: Callable[[], bool], seconds: float, says: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, says()
        time.sleep(0.5)


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False


def test_the_daemon_dies_then_the_watch_and_both_are_told_until_all_is_back(tmp_path: Path) -> None:
    if (tools := binaries()) is None:
        pytest.skip("Debian's packages are not to be had here")
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(PROJECT_ROOT / "deploy" / "dagster.yaml", home)
    location = PROJECT_ROOT / "ab_pipeline_tests" / "standby" / "location.py"
    (home / "workspace.yaml").write_text(f"load_from:\n  - python_file: {location}\n")
    watch_port, prometheus_port, manager_port = free_port(), free_port(), free_port()
    env = {**environment(home, 1), "DAGSTER_DAEMON_HEARTBEAT_TOLERANCE": _TOLERANCE}
    env["AB_PIPELINE_ALERTS_PATH"] = str(home / "alerts.jsonl")
    watch = [COMMAND, "watch", "--port", watch_port, "-w", home / "workspace.yaml"]
    daemon = [COMMAND, "daemon", "-w", home / "workspace.yaml"]
    with webhook() as told, ExitStack() as stack:
        config = tmp_path / "config"
        shutil.copytree(FOLDER, config)
        for name, pairs in {
            "prometheus.yml": {"15s": "2s", ":9093": f":{manager_port}", ":3001": f":{watch_port}"},
            "rules.yml": {"for: 1m": "for: 5s", "for: 30s": "for: 10s", "> 300": f"> {_TOLERANCE}"},
            "alertmanager.yml": {
                "http://127.0.0.1:5001": told.url,
                "10s": "1s",
                "group_interval: 1m": "group_interval: 5s",
            },
        }.items():
            text = (config / name).read_text()
            for old, new in pairs.items():
                assert old in text, (name, old)
                text = text.replace(old, new)
            (config / name).write_text(text)
        data, log = tmp_path / "data", tmp_path / "prometheus.log"
        manager = [tools / "prometheus-alertmanager", f"--config.file={config / 'alertmanager.yml'}"]
        manager += [f"--storage.path={data / 'a'}", f"--web.listen-address=127.0.0.1:{manager_port}"]
        stack.enter_context(process([*manager, "--cluster.listen-address="], tmp_path / "alertmanager.log"))
        prometheus = [tools / "prometheus", f"--config.file={config / 'prometheus.yml'}"]
        prometheus += [f"--storage.tsdb.path={data / 'p'}", f"--web.listen-address=127.0.0.1:{prometheus_port}"]
        stack.enter_context(process(prometheus, log))

        def state(name: str) -> str | None:
            return told.states.get(name)

        def said() -> object:
            return told.states, log.read_text()[-2000:]

        with process(daemon, home / "daemon.log", env), process(watch, home / "watch.log", env) as watching:
            until(lambda: _answers(f"http://127.0.0.1:{watch_port}/readyz/daemon"), 180, said)
            until(lambda: state("Watchdog") == "firing", 60, said)
        # both are gone by now: first told of is the watch, as it cannot say any more what it sees
        assert watching.poll() is not None
        until(lambda: state("WatchDown") == "firing", 90, said)
        with process(watch, home / "watch.log", env) as second:
            until(lambda: state("ComponentDown daemon") == "firing", 240, said)
            until(lambda: state("WatchDown") == "resolved", 60, said)
            second.kill()
            second.wait()
            until(lambda: state("WatchDown") == "firing", 90, said)
            # nobody says so any more, and yet it is not taken back
            time.sleep(10)
            assert state("ComponentDown daemon") == "firing"
        with process(daemon, home / "daemon.log", env), process(watch, home / "watch.log", env):
            until(lambda: state("ComponentDown daemon") == "resolved", 180, said)
            until(lambda: state("WatchDown") == "resolved", 60, said)
            asked = f"http://127.0.0.1:{prometheus_port}/api/v1/query"
            for query in queries():
                answer = httpx2.get(asked, params={"query": query}).json()
                assert answer["status"] == "success", (query, answer)
            shown = [q for q in queries() if httpx2.get(asked, params={"query": q}).json()["data"]["result"]]
            # what only refreshes of a warehouse leave behind is not here
            of_refreshes = ("partitions_due", "asset_built", "runs_total", "run_seconds", "model_", "verdict", "backup")
            assert set(queries()) - set(shown) <= {q for q in queries() if any(word in q for word in of_refreshes)}
