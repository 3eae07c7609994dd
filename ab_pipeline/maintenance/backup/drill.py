"""The proof of a backup: it is restored into scratch, opened as Dagster opens it, and compared."""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from ab_pipeline.maintenance.backup import postgres_dump, sqlite_files
from ab_pipeline.maintenance.backup.catalog import BackupError, fetch, mark_verified
from ab_pipeline.maintenance.backup.make import POSTGRES_DUMP, SQLITE_ARCHIVE, WAREHOUSE_ARCHIVE
from ab_pipeline.maintenance.backup.manifest import Contents, Manifest, partition_digests
from ab_pipeline.maintenance.backup.postgres_tools import scratch_server
from ab_pipeline.maintenance.backup.schema import refuse_newer_schema
from ab_pipeline.maintenance.backup.warehouse_copy import tables_of, unpack_warehouse
from ab_pipeline.maintenance.object_store import ObjectStore
from ab_pipeline.maintenance.storage import StorageError

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Drill:
    """What a drill found. Without problems the backup is verified."""

    name: str
    problems: tuple[str, ...]
    runs: int
    partitions: int
    seconds: float


def drill(store: ObjectStore, manifest: Manifest, progress: Progress) -> Drill:
    """Restore the backup into scratch and compare; if all is equal, note beside it that it is verified.

    Raises:
        StoreError: the store cannot be reached, which says nothing about the backup.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ab-pipeline-drill-") as folder:
        try:
            problems = _problems(store, manifest, Path(folder), progress)
        except (BackupError, StorageError, OSError, EOFError) as error:
            problems = [str(error)]
    if not problems:
        mark_verified(store, manifest, dt.datetime.now(dt.UTC))
    return Drill(
        name=manifest.name,
        problems=tuple(problems),
        runs=_runs(manifest),
        partitions=sum(digest.count for digest in manifest.contents.partitions.values()),
        seconds=time.monotonic() - started,
    )


def _problems(store: ObjectStore, manifest: Manifest, folder: Path, progress: Progress) -> list[str]:
    refuse_newer_schema(manifest)
    fetch(store, manifest, folder, progress)
    with _restored(manifest, folder) as (contents, home):
        problems = manifest.contents.differences(contents)
        progress(f"{len(contents.tables)} tables restored and compared")
        problems += _seen_by_dagster(manifest, home)
        progress("opened as a Dagster instance")
    if WAREHOUSE_ARCHIVE in manifest.files:
        restored = tables_of(unpack_warehouse(folder / WAREHOUSE_ARCHIVE, folder))
        problems += [
            f"warehouse table {table} differs"
            for table in sorted(restored.keys() | manifest.warehouse.keys())
            if restored.get(table) != manifest.warehouse.get(table)
        ]
        progress(f"{len(restored)} tables of the warehouse compared")
    return problems


@contextmanager
def _restored(manifest: Manifest, folder: Path) -> Iterator[tuple[Contents, Path]]:
    """What the restored storage holds, and a DAGSTER_HOME that points to it."""
    home = folder / "home"
    home.mkdir()
    if manifest.kind == "sqlite":
        storage = sqlite_files.unpack(folder / SQLITE_ARCHIVE, home)
        # without one Dagster says that it uses defaults, which is what is meant
        (home / "dagster.yaml").touch()
        yield sqlite_files.contents_of(storage), home
        return
    with scratch_server(folder / "postgres") as server:
        postgres_dump.load(server, folder / POSTGRES_DUMP)
        config = {"storage": {"postgres": {"postgres_url": server.sqlalchemy_url}}}
        (home / "dagster.yaml").write_text(yaml.safe_dump(config))
        yield postgres_dump.contents_of(server), home


def _seen_by_dagster(manifest: Manifest, home: Path) -> list[str]:
    """Where Dagster's own view differs from what was backed up."""
    from dagster import AssetKey, DagsterInstance
    from dagster_shared.error import DagsterError

    try:
        with DagsterInstance.from_config(str(home)) as instance:
            runs = instance.get_runs_count()
            pairs = [
                (key, partition)
                for key in manifest.contents.partitions
                for partition in instance.get_materialized_partitions(AssetKey.from_db_string(key) or AssetKey(key))
            ]
            instance.all_instigator_state()
    except DagsterError as error:
        return [f"Dagster cannot open it: {error}"]
    problems = [] if runs == _runs(manifest) else [f"Dagster sees {runs} runs, {_runs(manifest)} were backed up"]
    if partition_digests(pairs) != manifest.contents.partitions:
        problems.append("Dagster sees other materialized partitions than were backed up")
    return problems


def _runs(manifest: Manifest) -> int:
    return manifest.contents.tables["runs.runs" if manifest.kind == "sqlite" else "runs"].count
