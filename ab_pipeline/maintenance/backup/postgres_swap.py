"""A dump is restored into a database of its own, which then takes the name of the present one in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ab_pipeline.maintenance.backup import postgres_dump
from ab_pipeline.maintenance.backup.catalog import BackupError
from ab_pipeline.maintenance.backup.manifest import Manifest
from ab_pipeline.maintenance.backup.postgres_tools import administration, database_name, sibling
from ab_pipeline.maintenance.storage import PostgresStorage, StorageError

Progress = Callable[[str], None]


@dataclass(frozen=True)
class _Names:
    current: str
    new: str
    kept: str


def restore(storage: PostgresStorage, dump: Path, manifest: Manifest, now: str, progress: Progress) -> list[str]:
    """Put the dump in the place of the database, which need not exist; the name under which the old one is kept.

    Raises:
        BackupError: the dump restores to something else; the database is as it was.
        StorageError: the server refuses. The user needs CREATEDB, and to own the database.
    """
    names = _names(storage, now)
    with administration(storage) as cursor:
        # left by a killed restore
        cursor.execute(f'drop database if exists "{names.new}" with (force)')
        cursor.execute(f'create database "{names.new}" template template0')
    new = sibling(storage, names.new)
    try:
        postgres_dump.load(new, dump)
        if found := manifest.contents.differences(postgres_dump.contents_of(new)):
            raise BackupError(f"backup {manifest.name} does not restore to what was backed up: {'; '.join(found)}")
        progress("the restored database equals what was backed up")
        return _rename(storage, names)
    except (BackupError, StorageError):
        with administration(storage) as cursor:
            cursor.execute(f'drop database if exists "{names.new}" with (force)')
        raise


def exists(storage: PostgresStorage) -> bool:
    """Whether the server has the database."""
    with administration(storage) as cursor:
        cursor.execute("select 1 from pg_database where datname = %s", [database_name(storage)])
        return cursor.fetchone() is not None


def _rename(storage: PostgresStorage, names: _Names) -> list[str]:
    replaces = exists(storage)
    with administration(storage) as cursor:
        cursor.execute("begin")
        if replaces:
            cursor.execute(f'alter database "{names.current}" rename to "{names.kept}"')
        cursor.execute(f'alter database "{names.new}" rename to "{names.current}"')
        cursor.execute("commit")
    return [f"database {names.kept}"] if replaces else []


def _names(storage: PostgresStorage, now: str) -> _Names:
    name = database_name(storage)
    return _Names(name, f"{name}_restoring", f"{name}_replaced_{now}")
