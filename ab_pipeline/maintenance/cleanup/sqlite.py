"""SQLite: three databases, and a file for the events of each run."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path

from dagster import DagsterInstance
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from sqlalchemy.engine import make_url

from ab_pipeline.maintenance.cleanup.folders import Tree, is_run_id
from ab_pipeline.maintenance.cleanup.inventory import Place
from ab_pipeline.maintenance.storage import DagsterStorage, SqliteStorage

_FILES_OF_A_DATABASE = (".db", ".db-wal", ".db-shm")
_INDEX = "index"
_PAGES_AT_ONCE = 1_000
_QUICK_BYTES = 512 * 2**20


class SqliteEngine:
    """The files below DAGSTER_HOME."""

    place = Place.DISK

    def __init__(self, instance: DagsterInstance) -> None:
        events, runs, schedules = instance.event_log_storage, instance.run_storage, instance.schedule_storage
        assert isinstance(events, SqliteEventLogStorage)
        assert isinstance(runs, SqliteRunStorage)
        assert isinstance(schedules, SqliteScheduleStorage)
        self._shards = Path(events.path_for_shard(_INDEX)).parent
        storage = SqliteStorage(_file_of(runs._conn_string), self._shards, _file_of(schedules._conn_string))
        self.storage: DagsterStorage = storage
        self._databases = (storage.index, storage.runs, storage.schedules)

    def table_bytes(self) -> Mapping[str, int]:
        """Bytes by table of the three databases; what their write-ahead logs hold counts as free."""
        sizes: Counter[str] = Counter()
        for path in self._databases:
            with closing(_connect(path)) as connection:
                tables = _table_bytes(connection)
            sizes.update(tables)
            files = sum(_size(path.with_suffix(suffix)) for suffix in _FILES_OF_A_DATABASE)
            sizes["free space"] += files - sum(tables.values())
        return sizes

    def shards(self, since: datetime) -> Mapping[str, Tree]:
        """The files of each run. Events of no run are in one without a name, which is left alone."""
        shards: dict[str, Tree] = {}
        for path in self._shards.iterdir():
            if path.suffix in _FILES_OF_A_DATABASE and is_run_id(path.stem):
                shards[path.stem] = shards.get(path.stem, Tree()) + Tree.of(path, since)
        return shards

    def shard(self, run_id: str) -> Path:
        """The file of a run, which may not exist."""
        return self._shards / f"{run_id}.db"

    def stored_events(self, run_id: str) -> list[str]:
        """What the file of the run holds. Dagster would create it, and look whether its schema is of today."""
        if not self.shard(run_id).exists():
            return []
        with closing(_connect(self.shard(run_id))) as connection:
            return [event for (event,) in connection.execute("select event from event_logs order by id")]

    def remove_shard(self, run_id: str) -> None:
        """Unlink the file of the run. The log goes first: it would be read into a new file of that name."""
        for suffix in reversed(_FILES_OF_A_DATABASE):
            self.shard(run_id).with_suffix(suffix).unlink(missing_ok=True)

    def reclaim(self) -> str:
        """Shrink the three files.

        The first time by VACUUM, which from then on allows to shrink by some pages at a time. VACUUM writes all that
        is left anew, and others wait: where that would take long and free little, it is left to a later clean-up.
        """
        left = [problem for path in self._databases if (problem := _shrink(path))]
        return "; ".join(left)


def _file_of(url: str) -> Path:
    return Path(make_url(url).database or "")


def _connect(path: Path) -> sqlite3.Connection:
    # the same patience that Dagster has
    return sqlite3.connect(path, timeout=30, isolation_level=None)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return connection.execute(f"pragma {name}").fetchone()[0]


def _table_bytes(connection: sqlite3.Connection) -> dict[str, int]:
    query = (
        "select tbl_name, sum(pgsize) from dbstat join sqlite_master using (name)"
        " where aggregate = true group by tbl_name"
    )
    try:
        return dict(connection.execute(query))
    except sqlite3.OperationalError:
        # a SQLite built without dbstat: by rows, then
        names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        rows = {name: connection.execute(f'select count(*) from "{name}"').fetchone()[0] for name in names}
        used = (_pragma(connection, "page_count") - _pragma(connection, "freelist_count")) * _pragma(
            connection, "page_size"
        )
        return {name: used * count // max(1, sum(rows.values())) for name, count in rows.items()}


def _shrink(path: Path) -> str:
    with closing(_connect(path)) as connection:
        page, free = _pragma(connection, "page_size"), _pragma(connection, "freelist_count")
        used = _pragma(connection, "page_count") - free
        if _pragma(connection, "auto_vacuum") == 0:
            if used * page > max(free * page, _QUICK_BYTES):
                return f"{path.name} keeps {free * page:,} bytes for new rows"
            connection.execute("pragma auto_vacuum = incremental")
            connection.execute("vacuum")
        while _pragma(connection, "freelist_count"):
            # each row that is fetched frees a page; others write in between
            connection.execute(f"pragma incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
        busy, _, _ = connection.execute("pragma wal_checkpoint(truncate)").fetchone()
        return f"{path.name} shrinks when its last reader is done" if busy else ""
