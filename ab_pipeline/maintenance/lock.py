"""One clean-up, backup, restore or migration of a storage at a time: a lock that ends with its process."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ab_pipeline.maintenance.postgres import session
from ab_pipeline.maintenance.storage import DagsterStorage, PostgresStorage, StorageError

MAINTENANCE_POOL = "maintenance"
"""Where Dagster's queue lets jobs wait for each other, who would refuse to start otherwise."""
LOCK_FILE = "maintenance.lock"
CONNECTION_PREFIX = "ab-pipeline: "
"""How the name of the connection begins that holds a lock."""
_KEY = int.from_bytes(b"ab_maint")
# a server needs a moment to notice that a process was killed
_PATIENCE_SECONDS = 2.0


@contextmanager
def only_one(storage: DagsterStorage, work: str) -> Iterator[None]:
    """Held by who does the work, such as `a backup`: a file beside the SQLite files, or a connection to PostgreSQL.

    Raises:
        StorageError: another is at work; who, since when, and what to do.
    """
    if isinstance(storage, PostgresStorage):
        with session(storage, application_name=f"{CONNECTION_PREFIX}{_signed(work)}") as cursor:
            _wait(lambda: _lock_database(cursor), lambda: _holder_of_database(cursor), str(storage))
            yield
    else:
        with locked_file(storage.runs.parent / LOCK_FILE, work, str(storage)):
            yield


@contextmanager
def locked_file(path: Path, work: str, where: str) -> Iterator[None]:
    """A lock of the operating system on a file, which says who holds it. Raises StorageError as `only_one` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        _wait(lambda: _lock_file(file.fileno()), path.read_text, where)
        file.truncate(0)
        # a full disk is no reason not to clean up
        with suppress(OSError):
            file.write(f"{_signed(work)}, since {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC".encode())
        try:
            yield
        finally:
            file.truncate(0)


def _signed(work: str) -> str:
    return f"{work}, process {os.getpid()} on {socket.gethostname()}"


def _wait(lock: Callable[[], bool], holder: Callable[[], str], where: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not lock():
        if time.monotonic() > deadline:
            raise StorageError(
                f"{where} is in use by {holder() or 'another command'}: let it finish, or end it, then try again"
            )
        time.sleep(0.05)


def _lock_file(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_database(cursor: Any) -> bool:
    cursor.execute("select pg_try_advisory_lock(%s)", [_KEY])
    return cursor.fetchone()[0]


def _holder_of_database(cursor: Any) -> str:
    cursor.execute(
        "select application_name, to_char(backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI')"
        " from pg_locks join pg_stat_activity using (pid)"
        " where locktype = 'advisory' and granted and database = datid and datname = %s"
        " and (classid::bigint << 32) | objid::bigint = %s",
        [cursor.connection.info.dbname, _KEY],
    )
    found = cursor.fetchone()
    return f"{found[0].removeprefix(CONNECTION_PREFIX)}, since {found[1]} UTC" if found else ""
