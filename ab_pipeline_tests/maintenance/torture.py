"""A writer that commits runs, and processes that are killed at any moment; what must hold afterwards."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ab_pipeline.maintenance.backup import sqlite_files
from ab_pipeline.maintenance.backup.catalog import backups, check_files, find
from ab_pipeline.maintenance.backup.make import SQLITE_ARCHIVE
from ab_pipeline.maintenance.backup.manifest import Contents
from ab_pipeline.maintenance.backup.restore import Destination, restore
from ab_pipeline.maintenance.backup.swap import finish
from ab_pipeline.maintenance.object_store import ObjectStore
from ab_pipeline.maintenance.storage import SqliteStorage

_WRITE = """
import logging, sys
from pathlib import Path
from datetime import date, timedelta
from dagster import DagsterInstance
from ab_pipeline_tests.maintenance.history import live_through
logging.disable()
with DagsterInstance.from_config(sys.argv[1]) as instance:
    day = date(2025, 2, 1)
    while True:
        live_through(instance, [str(day)])
        day += timedelta(days=1)
        print("a run", flush=True)
"""
_BACK_UP = """
import sys
from pathlib import Path
from ab_pipeline.maintenance.backup.make import back_up
from ab_pipeline.maintenance.object_store import open_store
from ab_pipeline.settings import load_settings
print("up", flush=True)
while True:
    back_up(load_settings(), Path(sys.argv[1]), open_store(sys.argv[2]), lambda line: None)
"""
_RESTORE = """
import sys
from itertools import cycle
from pathlib import Path
from ab_pipeline.maintenance.backup.catalog import find
from ab_pipeline.maintenance.backup.restore import Destination, restore
from ab_pipeline.maintenance.object_store import open_store
from ab_pipeline.maintenance.storage import SqliteStorage
home, store = Path(sys.argv[1]), open_store(sys.argv[2])
print("up", flush=True)
for name in cycle(sys.argv[3:]):
    restore(store, find(store, name), Destination(SqliteStorage.below(home), home), None, lambda line: None)
"""


@contextmanager
def writer(home: Path) -> Iterator[None]:
    """A process that commits one run after the other, and goes on until the block is left."""
    with _process(_WRITE, home) as process:
        yield
        assert process.poll() is None, "the writer failed"


def never_existed(storage: SqliteStorage) -> list[str]:
    """What no moment of a writer that commits one run after the other can have looked like."""
    with closing(sqlite3.connect(storage.runs)) as connection:
        runs = dict(connection.execute("select run_id, status from runs order by id").fetchall())
    newest = list(runs)[-1]
    problems = [f"run {run} is {status}" for run, status in runs.items() if run != newest and status == "STARTED"]
    with closing(sqlite3.connect(storage.index)) as connection:
        indexed = set(connection.execute("select run_id, event from event_logs").fetchall())
    logged = set()
    for shard in storage.shards():
        with closing(sqlite3.connect(shard)) as connection:
            # a run's file is there before its tables are
            if not connection.execute("select 1 from sqlite_master where name = 'event_logs'").fetchone():
                continue
            logged |= set(connection.execute("select run_id, event from event_logs").fetchall())
    problems += [f"events of run {run}, which is not there" for run in {run for run, _ in indexed | logged} - set(runs)]
    problems += [f"run {run} has no events" for run in set(runs) - {run for run, _ in logged} - {newest}]
    problems += [f"an event of {run} is in the index alone" for run, _ in indexed - logged if run != newest]
    ended = {run for run, event in indexed if "PIPELINE_SUCCESS" in event or "PIPELINE_FAILURE" in event}
    return problems + [f"run {run} never ended" for run in set(runs) - ended - {newest}]


def restored(store: ObjectStore, name: str, folder: Path) -> SqliteStorage:
    """The storage in a backup, unpacked."""
    archive = folder / "archive"
    store.get_file(f"{name}/{SQLITE_ARCHIVE}", archive)
    return sqlite_files.unpack(archive, folder / name)


def kill_a_backup(home: Path, store: ObjectStore, dice: random.Random) -> None:
    """Kill a process that makes backups. Every backup that can be seen is whole, and the next run completes."""
    _run_and_kill(dice, _BACK_UP, home, store.location)
    for found in backups(store):
        assert found.manifest, found.problem
        check_files(store, found.manifest, _silent)


def kill_a_restore(home: Path, store: ObjectStore, states: dict[str, Contents], dice: random.Random) -> None:
    """Kill a process that restores one backup, then another. Each state is whole, and the next restore completes."""
    storage = SqliteStorage.below(home)
    before = sqlite_files.contents_of(storage)
    _run_and_kill(dice, _RESTORE, home, store.location, *states)
    finish(home)
    assert sqlite_files.contents_of(storage) in [before, *states.values()]
    restore(store, find(store, next(iter(states))), Destination(storage, home), None, _silent)
    assert sqlite_files.contents_of(storage) == next(iter(states.values()))
    assert not list(home.glob(".restoring.*"))


def _run_and_kill(dice: random.Random, code: str, *arguments: object) -> None:
    with _process(code, *arguments):
        time.sleep(dice.uniform(0, 0.4))


@contextmanager
def _process(code: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has said its first line, and is killed on leaving the block."""
    home = str(arguments[0])
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(
        command, env={**os.environ, "DAGSTER_HOME": home}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        assert process.stdout.readline(), "it failed before it was killed"
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def _silent(line: str) -> None:
    pass
