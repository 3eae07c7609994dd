"""Dagster's PostgreSQL database, dumped and read in one snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ab_pipeline.maintenance.backup.manifest import MATERIALIZED_PARTITIONS, Contents, Digest, partition_digests
from ab_pipeline.maintenance.backup.postgres_tools import run_tool
from ab_pipeline.maintenance.postgres import connected, server_major
from ab_pipeline.maintenance.storage import PostgresStorage, StorageError

Progress = Callable[[str], None]

_TABLES = "select tablename from pg_tables where schemaname = 'public' order by 1"


def dump(storage: PostgresStorage, target: Path, progress: Progress) -> Contents:
    """Write a custom-format dump; what the same snapshot holds.

    Raises:
        StorageError: the server or pg_dump refuses, or Dagster has no tables there.
    """
    with connected(storage) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("select pg_export_snapshot()")
            snapshot = cursor.fetchone()[0]
            options = ("--format=custom", "--no-owner", "--no-privileges", "--schema=public", f"--snapshot={snapshot}")
            run_tool("pg_dump", server_major(connection), storage, *options, f"--file={target}")
            progress(f"PostgreSQL dumped, {target.stat().st_size:,} bytes")
            return _read(cursor, storage)


def load(storage: PostgresStorage, source: Path) -> None:
    """Restore a dump into an empty database.

    Raises:
        StorageError: the server or pg_restore refuses.
    """
    with connected(storage) as connection:
        major = server_major(connection)
    arguments = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", "--clean", "--if-exists")
    run_tool("pg_restore", major, storage, *arguments, str(source))


def contents_of(storage: PostgresStorage) -> Contents:
    """What the database holds."""
    with connected(storage) as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            return _read(cursor, storage)


def _read(cursor: Any, storage: PostgresStorage) -> Contents:
    cursor.execute("set local timezone = 'UTC'; set local datestyle = 'ISO'")
    cursor.execute(_TABLES)
    tables = [name for (name,) in cursor.fetchall()]
    if not {"runs", "event_logs", "alembic_version"} <= set(tables):
        raise StorageError(f"{storage}: Dagster has no tables there")
    cursor.execute("select version_num from alembic_version")
    revisions = {"all": cursor.fetchone()[0]}
    cursor.execute(MATERIALIZED_PARTITIONS)
    return Contents(
        revisions=revisions,
        partitions=partition_digests(cursor.fetchall()),
        tables={table: _digest(cursor, table) for table in tables},
    )


class _Rows:
    """What COPY writes to: rows are counted by their line ends, which it escapes inside values."""

    def __init__(self) -> None:
        self.count = 0
        self._digest = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        self.count += chunk.count(b"\n")
        self._digest.update(chunk)

    def digest(self) -> Digest:
        return Digest(self.count, self._digest.hexdigest())


def _digest(cursor: Any, table: str) -> Digest:
    cursor.execute("select 1 from pg_attribute where attrelid = %s::regclass and attname = 'id'", [f'public."{table}"'])
    # servers may sort text differently
    order = "id" if cursor.fetchone() else 't::text collate "C"'
    rows = _Rows()
    cursor.copy_expert(f'copy (select * from public."{table}" t order by {order}) to stdout', rows)
    return rows.digest()
