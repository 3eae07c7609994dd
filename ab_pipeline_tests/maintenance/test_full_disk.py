"""A full disk: a sentence, the state before, and the next attempt completes.

No file can grow beyond a limit, which fails in the same calls. That PostgreSQL's disk is full, a trigger says for it.
"""

from __future__ import annotations

import base64
import os
import resource
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from dagster import DagsterInstance

from ab_pipeline.maintenance.backup.make import back_up
from ab_pipeline.maintenance.backup.manifest import Manifest
from ab_pipeline.maintenance.backup.restore import Destination, restore
from ab_pipeline.maintenance.cleanup.archive import Archive
from ab_pipeline.maintenance.cleanup.clean_up import CleanUp, Report
from ab_pipeline.maintenance.cleanup.measure import Places
from ab_pipeline.maintenance.cleanup.open import open_dagster
from ab_pipeline.maintenance.cleanup.policy import Policy
from ab_pipeline.maintenance.folder_store import FolderStore
from ab_pipeline.maintenance.migration.migrate import migrate
from ab_pipeline.maintenance.object_store import ObjectStore, StoreError
from ab_pipeline.maintenance.storage import SqliteStorage, StorageError, postgres_storage
from ab_pipeline.settings import Settings
from ab_pipeline_tests.maintenance.conftest import silent
from ab_pipeline_tests.maintenance.kills import PROCESSES, contents_of
from ab_pipeline_tests.servers import empty_database, postgres_session

pytestmark = pytest.mark.slow


def said_on_a_full_disk(limit: int, work: Callable[..., str], *arguments: object) -> str:
    """What the work returns, or the sentence it ends with, where no file can be larger than so many bytes."""
    receiver, sender = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_within, args=(limit, work, arguments, sender))
    process.start()
    sender.close()
    said = receiver.recv()
    process.join()
    return said


def _within(limit: int, work: Callable[..., str], arguments: tuple[object, ...], sender: Connection) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        sender.send(work(*arguments))
    except (StoreError, StorageError) as error:
        sender.send(f"{type(error).__name__}: {error}")


def test_a_backup_publishes_nothing(settings: Settings, home: Path, store: ObjectStore) -> None:
    said = said_on_a_full_disk(20_000, _back_up, settings, home, store)
    assert said.startswith(("StorageError: SQLite in ", "StoreError: "))
    assert store.list() == []
    assert list(Path(store.location).iterdir()) == []
    back_up(settings, home, store, silent)


def _back_up(settings: Settings, home: Path, store: ObjectStore) -> str:
    return back_up(settings, home, store, silent).name


@pytest.mark.parametrize("limit", [20_000, 100_000], ids=["while it is fetched", "while it is unpacked"])
def test_a_restore_changes_nothing(settings: Settings, home: Path, store: ObjectStore, limit: int) -> None:
    manifest, storage = back_up(settings, home, store, silent), SqliteStorage.below(home)
    with DagsterInstance.from_config(str(home)) as instance:
        instance.delete_run(instance.get_runs()[0].run_id)
    before, files = contents_of(storage), sorted(home.rglob("*"))
    said = said_on_a_full_disk(limit, _restore, store, manifest, home)
    assert said.startswith("StoreError: ")
    assert "File too large" in said
    assert str(home) in said
    assert contents_of(storage) == before != manifest.contents
    assert sorted(home.rglob("*")) == files
    _restore(store, manifest, home)
    assert contents_of(storage) == manifest.contents


def _restore(store: ObjectStore, manifest: Manifest, home: Path) -> str:
    restore(store, manifest, Destination(SqliteStorage.below(home), home), None, silent)
    return "restored"


def test_a_clean_up_removes_no_run_that_it_cannot_archive(home: Path, tmp_path: Path) -> None:
    for printed in (home / "storage").glob("*/compute_logs/*.out"):
        printed.write_bytes(base64.b64encode(os.urandom(3_000_000)))
    before = contents_of(SqliteStorage.below(home)).tables["runs.runs"]
    said = said_on_a_full_disk(1_500_000, _clean_up, home, tmp_path / "archive")
    assert "cannot be archived: File too large, below " in said
    assert contents_of(SqliteStorage.below(home)).tables["runs.runs"] == before
    assert Archive(FolderStore(tmp_path / "archive")).files() == []
    assert _clean_up(home, tmp_path / "archive") == ""
    assert contents_of(SqliteStorage.below(home)).tables["runs.runs"].count < before.count
    [file] = Archive(FolderStore(tmp_path / "archive")).files()
    assert file.size > 1_500_000


def _clean_up(home: Path, archive: Path) -> str:
    nowhere = home / "nowhere"
    places = Places(nowhere, nowhere, nowhere, nowhere, nowhere, {})
    later = datetime.now(UTC) + timedelta(days=60)
    with DagsterInstance.from_config(str(home)) as instance:
        report: Report = CleanUp(
            open_dagster(instance), places, Archive(FolderStore(archive)), Policy(5), 400, later, say=silent
        ).apply()
    return "\n".join(report.errors)


def test_a_migration_goes_on_when_there_is_room(home: Path, postgres_url: str) -> None:
    empty_database(postgres_url)
    source, target = SqliteStorage.below(home), postgres_storage(postgres_url)
    before = contents_of(source)

    def fill_up(line: str) -> None:
        if line.startswith("runs: "):
            _execute(postgres_url, _FULL)

    with pytest.raises(StorageError, match=r"could not extend file.*No space left on device"):
        migrate(source, target, fill_up)
    assert contents_of(source) == before
    _execute(postgres_url, "drop trigger full_disk on event_logs")
    said: list[str] = []
    migrate(source, target, said.append)
    assert said[0].startswith("going on: ")
    assert said[-1].startswith("compared: 3 runs, 48 events in order")


_FULL = """
create function full_disk() returns trigger language plpgsql as $$
begin
    raise exception 'could not extend file "base/16384/16385": No space left on device' using errcode = 'disk_full';
end $$;
create trigger full_disk before insert on event_logs for each row execute function full_disk();
"""


def _execute(url: str, statement: str) -> None:
    with postgres_session(url) as cursor:
        cursor.execute(statement)
