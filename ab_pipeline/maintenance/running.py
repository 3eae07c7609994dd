"""Which processes of this machine use Dagster's storage: they must not while it is replaced."""

from __future__ import annotations

from pathlib import Path

import psutil

from ab_pipeline.maintenance.lock import CONNECTION_PREFIX
from ab_pipeline.maintenance.postgres import administration, database_name
from ab_pipeline.maintenance.storage import DagsterStorage, PostgresStorage, StorageError


def refuse_while_running(storage: DagsterStorage, home: Path) -> None:
    """Raises StorageError: Dagster runs, with whom."""
    if users := users_of(storage, home):
        raise StorageError(f"Dagster is running: stop {', '.join(users)} first")


def users_of(storage: DagsterStorage, home: Path) -> list[str]:
    """Dagster's processes with this DAGSTER_HOME; for PostgreSQL also every other connection to the database."""
    if isinstance(storage, PostgresStorage):
        return [*_processes(home), *_connections(storage)]
    return _processes(home)


def home_of(process: psutil.Process) -> Path | None:
    """The DAGSTER_HOME that a process was started with, if any.

    Raises:
        psutil.Error, OSError: it is another user's, or gone.
    """
    used = process.environ().get("DAGSTER_HOME")
    return Path(used).expanduser().absolute() if used else None


def _processes(home: Path) -> list[str]:
    me = psutil.Process()
    not_these = {me.pid, *(parent.pid for parent in me.parents())}
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        # it outlives a killed run by seconds, and touches no storage
        if process.info["pid"] in not_these or "dagster" not in command or "watch_orphans" in command:
            continue
        try:
            used = home_of(process)
        except (psutil.Error, OSError):  # of another user, or gone
            continue
        if used == home:
            found.append(f"process {process.info['pid']} ({command[:60]})")
    return found


def _connections(storage: PostgresStorage) -> list[str]:
    with administration(storage) as cursor:
        cursor.execute(
            "select pid, coalesce(nullif(application_name, ''), 'unnamed') from pg_stat_activity"
            " where datname = %s and backend_type = 'client backend' and application_name not like %s",
            # of these the lock tells
            [database_name(storage), f"{CONNECTION_PREFIX}%"],
        )
        return [f"PostgreSQL connection {pid} ({name})" for pid, name in cursor.fetchall()]
