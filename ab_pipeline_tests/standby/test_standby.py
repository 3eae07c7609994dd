"""Two daemons, of which one leads: killed, ended, stopped."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psycopg2
import pytest

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.standby.daemon import hanging
from ab_pipeline.standby.leader import ALONE_SECONDS, FENCED, GONE_SECONDS, LEADER_KEY, Fence
from ab_pipeline_tests.door.served import COMMAND, environment
from ab_pipeline_tests.servers import postgres_server, postgres_session, server_folder
from ab_pipeline_tests.watch.test_frozen_database import home_on, signal_all

LEADS = "leading"


def test_a_leader_ends_itself_before_another_may_lead() -> None:
    assert ALONE_SECONDS + 5 < GONE_SECONDS


def test_a_fence_ends_the_process_once_its_lock_was_not_seen_for_too_long() -> None:
    ended: list[int] = []
    fence = Fence(end=ended.append)
    fence.check()
    assert ended == []
    fence.seen(time.monotonic() - ALONE_SECONDS - 0.1)
    fence.check()
    assert ended == [FENCED]


def test_a_lock_whose_connection_is_gone_ends_the_process_at_once() -> None:
    ended, is_ended = [], threading.Event()

    def end(code: int) -> None:
        ended.append(code)
        is_ended.set()

    def beat() -> None:
        raise OSError("gone")

    Fence(end=end).stand(beat)
    assert is_ended.wait(5)
    assert ended == [FENCED]


def test_a_kind_hangs_by_its_own_beats_and_never_by_those_of_the_daemon_before() -> None:
    assert hanging({"SENSOR": 0.0, "SCHEDULER": 990.0}, started=900.0, now=1000.0, patience=600) == []
    assert hanging({"SENSOR": 0.0, "SCHEDULER": 1490.0}, started=900.0, now=1501.0, patience=600) == ["SENSOR"]


@dataclass
class Started:
    """A daemon's process, and what it said."""

    process: subprocess.Popen[str]
    log: Path

    @property
    def leads(self) -> bool:
        return any(line == LEADS for line in self.log.read_text().splitlines())

    def wait_to_lead(self, seconds: float) -> float:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if self.leads:
                return time.monotonic() - began
            time.sleep(0.01)
        raise AssertionError(self.log.read_text())


@dataclass
class Daemons:
    """Those of one home."""

    home: Path
    number: int = 0

    def start(self) -> Started:
        self.number += 1
        log = self.home / f"daemon-{self.number}.log"
        workspace = self.home / "workspace.yaml"
        with log.open("w") as output:
            process = subprocess.Popen(
                [COMMAND, "daemon", "-w", str(workspace)],
                env=environment(self.home, 1),
                stdout=output,
                stderr=output,
                text=True,
            )
        return Started(process, log)

    def looks(self) -> list[int]:
        """The cursors of the sensor's looks, in order."""
        path = self.home / "looks.txt"
        return [int(line.split()[1]) for line in path.read_text().splitlines()] if path.exists() else []

    def wait_for_look(self, after: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while len(self.looks()) <= after:
            assert time.monotonic() < deadline, "the sensor does not look"
            time.sleep(0.1)


@contextmanager
def daemons(home: Path) -> Iterator[Daemons]:
    location = Path(__file__).with_name("location.py")
    (home / "workspace.yaml").write_text(f"load_from:\n  - python_file: {location}\n")
    found = Daemons(home)
    started: list[Started] = []
    begin = found.start

    def start() -> Started:
        started.append(begin())
        return started[-1]

    found.start = start  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield found
    finally:
        for one in started:
            with suppress(ProcessLookupError):
                one.process.kill()
            one.process.wait()


def hand_over(found: Daemons, kills: list[signal.Signals], seed: int) -> None:
    drawn = random.Random(seed)
    leader, standby = found.start(), found.start()
    deadline = time.monotonic() + 120
    while not (leader.leads or standby.leads):
        assert time.monotonic() < deadline, leader.log.read_text()
        time.sleep(0.05)
    if standby.leads:
        leader, standby = standby, leader
    for kill in kills:
        found.wait_for_look(len(found.looks()), 120)
        time.sleep(drawn.uniform(0, 2))
        assert not standby.leads
        leader.process.send_signal(kill)
        if kill == signal.SIGSTOP:
            standby.wait_to_lead(GONE_SECONDS + 30)
            with suppress(ProcessLookupError):
                leader.process.send_signal(signal.SIGCONT)
            assert leader.process.wait(30) in (FENCED, -signal.SIGKILL)
        else:
            assert leader.process.wait(60) in (0, -kill)
            # the process is gone
            assert standby.wait_to_lead(30) < 5
        leader, standby = standby, found.start()
    found.wait_for_look(len(found.looks()), 120)
    looks = found.looks()
    # a look whose daemon was killed before it was noted is made again; none is left out, none goes back further
    assert sorted(set(looks)) == list(range(max(looks) + 1))
    assert sum(after <= before for before, after in pairwise(looks)) <= len(kills)


SHORT = [signal.SIGKILL, signal.SIGTERM]


@pytest.mark.slow
def test_on_files_the_next_daemon_takes_over(tmp_path: Path) -> None:
    shutil.copy(PROJECT_ROOT / "deploy" / "dagster.yaml", tmp_path)
    with daemons(tmp_path) as found:
        hand_over(found, SHORT, seed=1)


@pytest.mark.slow
def test_on_postgres_the_next_daemon_takes_over_also_from_one_that_is_stopped() -> None:
    with server_folder() as folder, postgres_server(folder) as url:
        home_on(url, folder / "home")
        with daemons(folder / "home") as found:
            hand_over(found, [signal.SIGSTOP, *SHORT], seed=2)


@pytest.mark.slow
def test_a_leader_whose_database_is_frozen_ends_itself_and_one_of_another_database_is_left_alone() -> None:
    with server_folder() as folder, postgres_server(folder) as url:
        home_on(url, folder / "home")
        with postgres_session(url) as cursor:
            cursor.execute("create database another")
        other = psycopg2.connect(url.replace("/postgres?", "/another?"))
        with closing(other), other.cursor() as cursor:
            cursor.execute("select pg_advisory_lock(%s)", [LEADER_KEY])
            other.commit()
            with daemons(folder / "home") as found:
                leader = found.start()
                leader.wait_to_lead(120)
                standby = found.start()
                # longer than a leader that says nothing is borne with
                time.sleep(GONE_SECONDS + 5)
                cursor.execute("select 1")
                standby.process.kill()
                signal_all(folder, signal.SIGSTOP)
                try:
                    assert leader.process.wait(40) == FENCED
                finally:
                    signal_all(folder, signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("seed", [3, 4])
def test_twenty_kills_at_random_moments(seed: int) -> None:
    kills = random.Random(seed).choices([signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP], k=10)
    with server_folder() as folder, postgres_server(folder) as url:
        home_on(url, folder / "home")
        with daemons(folder / "home") as found:
            hand_over(found, kills, seed)
