"""The metadata database, and Dagster's instance in it, which other parts look through."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ab_pipeline.errors import UserError
from ab_pipeline.maintenance.postgres import session
from ab_pipeline.maintenance.storage import PostgresStorage, SqliteStorage, dagster_storage, open_sqlite
from ab_pipeline.standby.leader import LEADER_KEY
from ab_pipeline.watch.part import Sample, Seen

if TYPE_CHECKING:
    from dagster import DagsterInstance

_SECONDS = 3
_STATEMENT_TIMEOUT_MILLISECONDS, _POOL_RECYCLE_SECONDS, _POOL_OVERFLOW = 4_000, 3_600, 20
_NOT_RUN = "Dagster's daemon has not run yet"
_WAITING = """
    select count(*) from pg_locks join pg_database on database = pg_database.oid
    where locktype = 'advisory' and not granted and datname = current_database()
      and (classid::bigint << 32) | objid::bigint = %s
"""


class NotOpenError(UserError):
    """The metadata was not seen yet."""


@dataclass
class Metadata:
    """Each look opens a connection of its own, which a frozen server does not keep waiting."""

    home: Path
    _instance: DagsterInstance | None = None

    @property
    def instance(self) -> DagsterInstance:
        """Dagster's instance.

        Raises:
            NotOpenError: the metadata has not answered since this process was started.
        """
        if self._instance is None:
            raise NotOpenError("the metadata database has not answered yet")
        return self._instance

    def look(self) -> Seen:
        """Whether it answers.

        Raises:
            StorageError: it does not.
        """
        storage = dagster_storage(self.home)
        samples = self._postgres(storage) if isinstance(storage, PostgresStorage) else _sqlite(storage)
        if self._instance is None:
            from dagster import DagsterInstance

            instance = DagsterInstance.from_config(str(self.home))
            instance.optimize_for_webserver(_STATEMENT_TIMEOUT_MILLISECONDS, _POOL_RECYCLE_SECONDS, _POOL_OVERFLOW)
            self._instance = instance
        return Seen(f"{storage} answers", samples=samples)

    def _postgres(self, storage: PostgresStorage) -> list[Sample]:
        options = f"-c statement_timeout={_SECONDS * 1000}"
        with session(storage, connect_timeout=_SECONDS, options=options, tcp_user_timeout=_SECONDS * 1000) as cursor:
            cursor.execute("select to_regclass('daemon_heartbeats') is not null")
            if not cursor.fetchone()[0] or not _has_beats(cursor):
                raise NotOpenError(f"{storage}: {_NOT_RUN}")
            cursor.execute(_WAITING, [LEADER_KEY])
            return [Sample("daemon_standbys", cursor.fetchone()[0])]


def _has_beats(cursor: Any) -> bool:
    """Before the first beat somebody may be making the tables, which two must not do at once."""
    cursor.execute("select count(*) from daemon_heartbeats")
    return cursor.fetchone()[0] > 0


def _sqlite(storage: SqliteStorage) -> list[Sample]:
    if not storage.runs.exists():
        raise NotOpenError(f"{storage}: {_NOT_RUN}")
    with closing(open_sqlite(storage.runs, "ro", timeout=_SECONDS)) as connection:
        tables = {name for (name,) in connection.execute("select name from sqlite_master")}
        if "daemon_heartbeats" not in tables or not _has_beats(connection.cursor()):
            raise NotOpenError(f"{storage}: {_NOT_RUN}")
    return []
