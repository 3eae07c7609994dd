"""A dump is restored into a database of its own, which then takes the name of the present one in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from ab_pipeline.maintenance.backup import postgres_dump
from ab_pipeline.maintenance.backup.catalog import BackupError
from ab_pipeline.maintenance.backup.manifest import Manifest
from ab_pipeline.maintenance.lock import only_one
from ab_pipeline.maintenance.postgres import administration, database_name, sibling
from ab_pipeline.maintenance.storage import PostgresStorage, StorageError

Progress = Callable[[str], None]

WORK = "a restore"
"""What the lock of a storage says of it."""


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
    lock = only_one(storage, WORK) if exists(storage) else nullcontext()
    with lock, _dropped_on_failure(storage, names.new):
        _load(storage, names, dump, manifest)
        progress("the restored database equals what was backed up")
    with _dropped_on_failure(storage, names.new):
        return _rename(storage, names)


@contextmanager
def _dropped_on_failure(storage: PostgresStorage, name: str) -> Iterator[None]:
    try:
        yield
    except (BackupError, StorageError):
        _drop(storage, name)
        raise


def _drop(storage: PostgresStorage, name: str) -> None:
    with administration(storage) as cursor:
        cursor.execute(f'drop database if exists "{name}" with (force)')


def _load(storage: PostgresStorage, names: _Names, dump: Path, manifest: Manifest) -> None:
    # left by a killed restore
    _drop(storage, names.new)
    with administration(storage) as cursor:
        cursor.execute(f'create database "{names.new}" template template0')
    new = sibling(storage, names.new)
    postgres_dump.load(new, dump)
    if found := manifest.contents.differences(postgres_dump.contents_of(new)):
        raise BackupError(f"backup {manifest.name} does not restore to what was backed up: {'; '.join(found)}")


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
