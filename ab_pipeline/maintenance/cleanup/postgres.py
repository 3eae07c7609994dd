"""PostgreSQL: one database, whose tables others write to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from dagster import DagsterInstance
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from ab_pipeline.maintenance.cleanup.folders import Tree
from ab_pipeline.maintenance.cleanup.inventory import Place
from ab_pipeline.maintenance.storage import DagsterStorage, postgres_storage

if TYPE_CHECKING:
    from dagster_postgres import PostgresEventLogStorage

_TABLES = (
    "event_logs",
    "asset_event_tags",
    "asset_check_executions",
    "runs",
    "run_tags",
    "snapshots",
    "job_ticks",
    "asset_daemon_asset_evaluations",
)
_WORTH_REWRITING = 2**20
_ROW_HEADER = 28


class PostgresEngine:
    """The database of Dagster's storage."""

    place = Place.SERVER

    def __init__(self, instance: DagsterInstance) -> None:
        from dagster_postgres import PostgresEventLogStorage

        events = instance.event_log_storage
        assert isinstance(events, PostgresEventLogStorage)
        self._events: PostgresEventLogStorage = events
        self.storage: DagsterStorage = postgres_storage(events.postgres_url)

    def table_bytes(self) -> Mapping[str, int]:
        """Bytes by table. Free space inside a table counts to it."""
        with self._events.index_connection() as connection:
            return {table: _bytes(connection, table) for table in _TABLES}

    def shards(self, since: datetime) -> Mapping[str, Tree]:  # noqa: ARG002 the protocol's
        """No run has a file."""
        return {}

    def stored_events(self, run_id: str) -> list[str]:
        """The rows of the run."""
        query = text("select event from event_logs where run_id = :run_id order by id")
        with self._events.index_connection() as connection:
            return list(connection.execute(query, {"run_id": run_id}).scalars())

    def remove_shard(self, run_id: str) -> None:
        """No run has a file."""

    def reclaim(self) -> str:
        """VACUUM every table; and where more than half of one is empty, write it anew.

        Writing anew locks the table, for as long as what is left takes to write. It is given up where the lock is not
        had at once, since everybody would queue behind it.
        """
        left = []
        with self._events.index_connection() as connection:
            connection.execute(text("set lock_timeout = '3s'"))
            for table in _TABLES:
                connection.execute(text(f"vacuum (analyze) {table}"))
                free = _bytes(connection, table) - _live_bytes(connection, table)
                if free > max(_WORTH_REWRITING, _bytes(connection, table) // 2):
                    try:
                        connection.execute(text(f"vacuum (full, analyze) {table}"))
                    except OperationalError:
                        left.append(f"{table} keeps {free:,} bytes for new rows: it was in use")
        return "; ".join(left)


def _bytes(connection: Connection, table: str) -> int:
    return connection.execute(text("select pg_total_relation_size(to_regclass(:name))"), {"name": table}).scalar() or 0


def _live_bytes(connection: Connection, table: str) -> int:
    """What the rows take in the table's file and that of its long values; and as large a share for indexes."""
    names = connection.execute(
        text("select column_name from information_schema.columns where table_name = :name"), {"name": table}
    ).scalars()
    columns = " + ".join(f'coalesce(pg_column_size("{name}"), 0)' for name in names)
    rows = connection.execute(text(f"select sum({_ROW_HEADER} + {columns}) from {table}")).scalar() or 0
    indexes = connection.execute(
        text(f"select pg_indexes_size('{table}')::float / greatest(pg_table_size('{table}'), 1)")
    ).scalar()
    return int(rows * (1 + (indexes or 0)))
