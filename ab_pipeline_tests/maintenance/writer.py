"""A writer that commits runs, and what no backup made meanwhile may look like."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ab_pipeline.maintenance.backup import sqlite_files
from ab_pipeline.maintenance.backup.make import SQLITE_ARCHIVE
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


@contextmanager
def writer(home: Path) -> Iterator[None]:
    """A process that commits one run after the other, and goes on until the block is left."""
    command = [sys.executable, "-c", _WRITE, str(home)]
    with subprocess.Popen(
        command, env={**os.environ, "DAGSTER_HOME": str(home)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline(), "the writer failed"
            yield
            assert process.poll() is None, "the writer failed"
        finally:
            process.kill()


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
