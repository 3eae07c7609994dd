"""A backup is made: into a folder that is published when it is complete."""

from __future__ import annotations

import datetime as dt
import platform
import sqlite3
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from ab_pipeline.maintenance.backup import configuration, postgres_dump, sqlite_files
from ab_pipeline.maintenance.backup.manifest import Contents, Digest, Manifest, file_digest, name_of
from ab_pipeline.maintenance.backup.swap import refuse_unfinished
from ab_pipeline.maintenance.backup.warehouse_copy import copy_warehouse
from ab_pipeline.maintenance.lock import only_one
from ab_pipeline.maintenance.object_store import SEAL, ObjectStore, StoreError
from ab_pipeline.maintenance.storage import DagsterStorage, PostgresStorage, SqliteStorage, dagster_storage
from ab_pipeline.settings import Settings

SQLITE_ARCHIVE = "dagster.tar.gz"
POSTGRES_DUMP = "dagster.dump"
WAREHOUSE_ARCHIVE = "warehouse.tar.gz"
_PATIENCE_SECONDS = 600.0

Progress = Callable[[str], None]


def back_up(settings: Settings, home: Path, store: ObjectStore, progress: Progress) -> Manifest:
    """Make and publish a backup of what Dagster stores below `home`, and of the configuration.

    Raises:
        StorageError, StoreError, WarehouseError: nothing was published, and nothing else changed.
    """
    refuse_unfinished(home)
    storage = dagster_storage(home)
    with only_one(storage, "a backup"):
        return _back_up(settings, home, storage, store, progress)


def _back_up(
    settings: Settings, home: Path, storage: DagsterStorage, store: ObjectStore, progress: Progress
) -> Manifest:
    for leftover in store.delete_leftovers():
        progress(f"deleted {leftover}, which a killed process left")
    created_at = dt.datetime.now(dt.UTC)
    progress(f"backing up {storage} to {store.location}/{name_of(created_at)}")
    try:
        with store.publishing(name_of(created_at)) as folder:
            contents = _save_metadata(storage, folder, progress)
            left_out = configuration.save(settings, home, folder)
            warehouse, why_not = _save_warehouse(settings, folder, progress)
            manifest = Manifest(
                name=name_of(created_at),
                created_at=created_at,
                kind="sqlite" if isinstance(storage, SqliteStorage) else "postgres",
                versions=_versions(),
                contents=contents,
                warehouse=warehouse,
                files={
                    path.relative_to(folder).as_posix(): file_digest(path)
                    for path in sorted(folder.rglob("*"))
                    if path.is_file()
                },
                left_out=(*left_out, *why_not),
            )
            (folder / SEAL).write_bytes(manifest.to_bytes())
            progress(f"publishing {manifest.size:,} bytes in {len(manifest.files)} files")
    except OSError as error:
        raise StoreError(
            f"{error.filename or store.location}: {error.strerror or error}. Nothing was published"
        ) from error
    return manifest


def _save_metadata(storage: DagsterStorage, folder: Path, progress: Progress) -> Contents:
    if isinstance(storage, PostgresStorage):
        return postgres_dump.dump(storage, folder / POSTGRES_DUMP, progress)
    with tempfile.TemporaryDirectory(prefix=".copy-", dir=folder) as scratch:
        return sqlite_files.copy_files(storage, folder / SQLITE_ARCHIVE, Path(scratch), progress)


def _save_warehouse(settings: Settings, folder: Path, progress: Progress) -> tuple[dict[str, Digest], tuple[str, ...]]:
    # Redshift keeps snapshots of its own
    if settings.target != "local" or not settings.duckdb_path.exists():
        return {}, ()
    if not settings.backup_warehouse:
        return {}, ("the warehouse: set AB_PIPELINE_BACKUP_WAREHOUSE=true",)
    archive = folder / WAREHOUSE_ARCHIVE
    return copy_warehouse(settings.duckdb_path, archive, _PATIENCE_SECONDS, progress), ()


def _versions() -> dict[str, str]:
    packages = ("ab-pipeline", "dagster", "dagster-postgres", "dbt-core", "duckdb")
    return {
        **{package: version(package) for package in packages},
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
