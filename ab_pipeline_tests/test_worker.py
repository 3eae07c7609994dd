"""A run's process: told from every other one, and known to be gone only when it is."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from ab_pipeline.worker import Worker


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def worker_of(process: subprocess.Popen[bytes]) -> Worker:
    return Worker(socket.gethostname(), process.pid, psutil.Process(process.pid).create_time())


def test_a_tag_names_the_worker_whatever_its_host_is_called() -> None:
    for worker in (Worker.current(), Worker("host", 1, 0.1 + 0.2), Worker("fe80::1:2", 7, 1763800000.25)):
        assert Worker.from_tag(worker.tag) == worker


def test_this_process_is_there() -> None:
    assert not Worker.current().is_gone()


def test_a_killed_process_is_gone_whether_its_parent_has_noticed_or_not(process: subprocess.Popen[bytes]) -> None:
    worker = worker_of(process)
    assert not worker.is_gone()
    process.kill()
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert worker.is_gone(), "a zombie"
    process.wait()
    assert worker.is_gone()


def test_a_later_process_with_the_same_number_is_another(process: subprocess.Popen[bytes]) -> None:
    worker = worker_of(process)
    assert replace(worker, created_at=worker.created_at - 3600).is_gone()


def test_setting_the_clock_by_a_few_seconds_does_not_end_a_process(process: subprocess.Popen[bytes]) -> None:
    """The system tells creation times from boot on, and moves the time of the boot with the clock."""
    worker = worker_of(process)
    assert not replace(worker, created_at=worker.created_at - 2).is_gone()
    assert not replace(worker, created_at=worker.created_at + 2).is_gone()


def test_a_process_of_another_host_is_never_known_to_be_gone() -> None:
    assert not Worker("another-host", 2**22 + 1, 0.0).is_gone()


def test_the_process_that_had_a_number_at_a_moment(process: subprocess.Popen[bytes]) -> None:
    worker = worker_of(process)
    assert Worker.seen_at(process.pid, worker.created_at + 60) == worker
    # it came later than the moment, so another had its number then
    assert Worker.seen_at(process.pid, worker.created_at - 60).is_gone()
    process.kill()
    process.wait()
    assert Worker.seen_at(process.pid, worker.created_at + 60).is_gone()
