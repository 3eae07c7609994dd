"""A backup is restored: beside the present state, compared with what was backed up, then put in its place."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from ab_pipeline.maintenance.backup import configuration, postgres_swap, sqlite_files
from ab_pipeline.maintenance.backup.catalog import BackupError, fetch
from ab_pipeline.maintenance.backup.make import POSTGRES_DUMP, SQLITE_ARCHIVE, WAREHOUSE_ARCHIVE
from ab_pipeline.maintenance.backup.manifest import Contents, Manifest
from ab_pipeline.maintenance.backup.schema import refuse_newer_schema
from ab_pipeline.maintenance.backup.swap import Step, finish, is_unfinished, swap
from ab_pipeline.maintenance.backup.warehouse_copy import tables_of, unpack_warehouse
from ab_pipeline.maintenance.lock import LOCK_FILE, locked_file, only_one
from ab_pipeline.maintenance.object_store import ObjectStore, StoreError
from ab_pipeline.maintenance.running import refuse_while_running
from ab_pipeline.maintenance.storage import DagsterStorage, PostgresStorage, SqliteStorage

_STAGED = ".restoring."
_LOGS = ("-wal", "-shm")
_TITLES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Destination:
    """Where a backup goes: a storage, the folder for its configuration, and the DuckDB file or None."""

    storage: DagsterStorage
    home: Path
    warehouse: Path | None = None


@dataclass(frozen=True)
class Restored:
    """What a restore did: where the replaced state is kept, the configuration, and what else there is to say."""

    kept: tuple[str, ...]
    configuration: Path
    notes: tuple[str, ...]


def check(manifest: Manifest, destination: Destination) -> None:
    """What stands against a restore.

    Raises:
        BackupError: the backup is of another kind of storage, or of a newer schema.
        StorageError: Dagster runs there, or a clean-up, a backup, a restore or a migration does.
    """
    kind = "postgres" if isinstance(destination.storage, PostgresStorage) else "sqlite"
    if manifest.kind != kind:
        raise BackupError(
            f"backup {manifest.name} is of {_TITLES[manifest.kind]}, and cannot go to {destination.storage}."
            " Restore it elsewhere with --to; `ab-pipeline migrate-storage` goes from SQLite to PostgreSQL"
        )
    if destination.warehouse and WAREHOUSE_ARCHIVE not in manifest.files:
        raise BackupError(f"backup {manifest.name} does not hold the warehouse")
    refuse_newer_schema(manifest)
    with only_one(destination.storage, postgres_swap.WORK) if is_there(destination.storage) else nullcontext():
        refuse_while_running(destination.storage, destination.home)


def is_there(storage: DagsterStorage) -> bool:
    """Whether there is something that a restore would replace."""
    return storage.exists() if isinstance(storage, SqliteStorage) else postgres_swap.exists(storage)


def go_on(destination: Destination) -> bool:
    """Finish the restore that was interrupted there, if one was; whether.

    Raises:
        StorageError: it was not interrupted, but is at work.
    """
    if not is_unfinished(destination.home):
        return False
    with _alone(destination):
        return finish(destination.home)


def restore(
    store: ObjectStore, manifest: Manifest, destination: Destination, key: SecretStr | None, progress: Progress
) -> Restored:
    """Restore, and keep what is replaced.

    Raises:
        BackupError: the backup is damaged; nothing was changed.
        StorageError, StoreError: nothing was changed, or `finish` goes on.
    """
    check(manifest, destination)
    # two restores never share it: what the first replaced is not for the second to replace
    now = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S%f}"
    try:
        with _alone(destination), _staging(destination.home) as staged:
            fetch(store, manifest, staged, progress)
            steps = _stage_warehouse(manifest, destination, staged, now, progress)
            if isinstance(destination.storage, PostgresStorage):
                kept = postgres_swap.restore(destination.storage, staged / POSTGRES_DUMP, manifest, now, progress)
                swap(destination.home, steps)
            else:
                steps += _stage_sqlite(manifest, destination.storage, staged, now, progress)
                kept = [str(step.kept) for step in steps if step.current.exists()]
                swap(destination.home, steps)
            return _with_configuration(manifest, destination.home, staged, key, kept)
    except OSError as error:
        raise StoreError(
            f"{error.filename or destination.home}: {error.strerror or error}. The state before is intact;"
            " `ab-pipeline restore` again goes on"
        ) from error


def refuse_differences(manifest: Manifest, restored: Contents) -> None:
    """Raises BackupError: what was restored is not what was backed up."""
    if found := manifest.contents.differences(restored):
        raise BackupError(f"backup {manifest.name} does not restore to what was backed up: {'; '.join(found)}")


def _alone(destination: Destination) -> AbstractContextManager[None]:
    """A database is locked later, and let go before its turn: nobody can rename the one they are in."""
    storage, home = destination.storage, destination.home
    if isinstance(storage, SqliteStorage):
        return only_one(storage, postgres_swap.WORK)
    return locked_file(home / LOCK_FILE, postgres_swap.WORK, str(home))


@contextmanager
def _staging(home: Path) -> Iterator[Path]:
    home.mkdir(parents=True, exist_ok=True)
    finish(home)
    for leftover in home.glob(f"{_STAGED}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    staged = Path(tempfile.mkdtemp(prefix=_STAGED, dir=home))
    try:
        yield staged
    finally:
        # an interrupted swap goes on from here
        if not is_unfinished(home):
            shutil.rmtree(staged, ignore_errors=True)


def _stage_sqlite(manifest: Manifest, storage: SqliteStorage, staged: Path, now: str, progress: Progress) -> list[Step]:
    files = sqlite_files.unpack(staged / SQLITE_ARCHIVE, staged / "sqlite")
    refuse_differences(manifest, sqlite_files.contents_of(files))
    progress("SQLite files equal what was backed up")
    kept = storage.runs.parent.parent / "replaced" / now
    steps = []
    for new, current in ((files.runs, storage.runs), (files.schedules, storage.schedules)):
        logs = [current.with_name(f"{current.name}{suffix}") for suffix in _LOGS]
        # a log that stays would be applied to the database that it is not of
        steps += [Step(None, log, kept / log.name) for log in logs]
        steps.append(Step(new, current, kept / current.name))
    return [*steps, Step(files.events, storage.events, kept / storage.events.name)]


def _stage_warehouse(
    manifest: Manifest, destination: Destination, staged: Path, now: str, progress: Progress
) -> list[Step]:
    if destination.warehouse is None:
        return []
    path = destination.warehouse
    new = unpack_warehouse(staged / WAREHOUSE_ARCHIVE, staged)
    if tables_of(new) != manifest.warehouse:
        raise BackupError(f"backup {manifest.name}: the warehouse does not restore to what was backed up")
    progress("the warehouse equals what was backed up")
    log, new_log = (file.with_name(f"{file.name}.wal") for file in (path, new))
    return [
        Step(new_log if new_log.exists() else None, log, log.with_name(f"{path.name}.replaced-{now}.wal")),
        Step(new, path, path.with_name(f"{path.name}.replaced-{now}")),
    ]


def _with_configuration(
    manifest: Manifest, home: Path, staged: Path, key: SecretStr | None, kept: list[str]
) -> Restored:
    """Beside what is there: a person decides which settings hold."""
    target = home / "restored" / manifest.name
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(exist_ok=True)
    (staged / configuration.FOLDER).rename(target)
    notes = configuration.decrypt(target, key)
    if (target / "dagster.yaml").exists() and not (home / "dagster.yaml").exists():
        shutil.copyfile(target / "dagster.yaml", home / "dagster.yaml")
    return Restored(tuple(kept), target, tuple(notes))
