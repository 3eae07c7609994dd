"""The process that runs are forked from: what it answers, what it refuses, and what it leaves alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.warm_runs.channel import Channel, TemplateError, call
from ab_pipeline.warm_runs.fingerprint import inherited_environment
from ab_pipeline.worker import Worker
from ab_pipeline_tests.warm_runs.template_host import RESULT

PATIENCE = 20.0


@pytest.fixture(scope="module")
def host() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "ab_pipeline_tests.warm_runs.template_host"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, text=True, cwd=PROJECT_ROOT, env=_without_pytests(os.environ)
    )
    yield process
    process.kill()
    process.communicate()


class ATemplate:
    """One in its home, as a launcher meets it."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def call(self) -> Channel:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return call(self.home, PATIENCE)
            except TemplateError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def ask(self, **request: Any) -> dict[str, Any]:
        with self.call() as channel:
            channel.say(request)
            return channel.hear()

    def successor(self) -> dict[str, str]:
        """The environment of the template that should be there instead."""
        deadline = time.monotonic() + PATIENCE
        while not (self.home / RESULT).exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return json.loads((self.home / RESULT).read_text())


@pytest.fixture
def template(host: subprocess.Popen[str], tmp_path: Path) -> Callable[..., ATemplate]:
    def make(**options: Any) -> ATemplate:
        assert host.stdin
        host.stdin.write(json.dumps({"home": str(tmp_path), **options}) + "\n")
        host.stdin.flush()
        return ATemplate(tmp_path)

    return make


def a_run(**differing: str) -> dict[str, Any]:
    environment = _without_pytests(os.environ) | differing
    inherited = _without_pytests(inherited_environment()) | differing
    return {"run": "no run", "environment": environment, "inherited": inherited, "server_id": "one"}


def _without_pytests(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("PYTEST_")}


def until_gone(worker: Worker) -> None:
    deadline = time.monotonic() + PATIENCE
    while not worker.is_gone():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_says_that_it_is_ready(template: Callable[..., ATemplate]) -> None:
    one = template()
    assert one.ask() == {"ready": True}
    assert one.ask() == {"ready": True}


def test_a_run_is_a_process_of_its_own_session_and_ends(template: Callable[..., ATemplate]) -> None:
    one = template()
    with one.call() as channel:
        channel.say(a_run())
        worker = Worker.from_tag(channel.hear()["worker"])
        assert os.getsid(worker.pid) == worker.pid
        time.sleep(0.5)
        assert not worker.is_gone(), "it waits for the word to begin"
        process = psutil.Process(worker.pid)
        assert [file for file in process.open_files() if Path(file.path).is_relative_to(one.home)] == []
        channel.say({"begin": True})
    until_gone(worker)
    assert one.ask() == {"ready": True}


def test_a_run_that_nobody_waits_for_any_more_never_begins(template: Callable[..., ATemplate]) -> None:
    one = template()
    with one.call() as channel:
        channel.say(a_run())
        worker = Worker.from_tag(channel.hear()["worker"])
    until_gone(worker)


def test_who_says_nothing_or_nonsense_disturbs_nobody(template: Callable[..., ATemplate]) -> None:
    one = template()
    one.call().close()
    with one.call() as channel:
        channel._connection.sendall(b"nonsense\n")
        with pytest.raises(TemplateError, match="ended without an answer"):
            channel.hear()
    assert one.ask() == {"ready": True}


def test_another_environment_is_another_template(template: Callable[..., ATemplate]) -> None:
    one = template()
    answer = one.ask(**a_run(AB_PIPELINE_LOOKBACK_DAYS="9"))
    assert answer == {
        "refused": "the environment is different (AB_PIPELINE_LOOKBACK_DAYS): the warm process is made anew"
    }
    assert one.successor()["AB_PIPELINE_LOOKBACK_DAYS"] == "9"


def test_a_reloaded_code_location_is_another_template(template: Callable[..., ATemplate]) -> None:
    one = template()
    assert "worker" in one.ask(**a_run())
    assert "reloaded" in one.ask(**a_run() | {"server_id": "two"})["refused"]


@pytest.mark.parametrize("wrong", [{"thread": True}, {"connected_to": 0}])
def test_what_a_child_would_share_forbids_a_fork(template: Callable[..., ATemplate], wrong: dict[str, Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        one = template(**{name: value or port for name, value in wrong.items()})
        assert "it has 2 threads" in (refusal := one.ask()["refused"]) or str(port) in refusal
