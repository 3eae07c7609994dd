"""Clean-up, backup, restore and migration wait for no one: of two at once one works, and one says whom to wait for."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from dagster import DagsterInstance

from ab_pipeline.maintenance import lock
from ab_pipeline.maintenance.backup.make import back_up
from ab_pipeline.maintenance.backup.manifest import Manifest
from ab_pipeline.maintenance.backup.restore import Destination, check, restore
from ab_pipeline.maintenance.cleanup.open import open_clean_up
from ab_pipeline.maintenance.migration.migrate import migrate
from ab_pipeline.maintenance.object_store import ObjectStore
from ab_pipeline.maintenance.storage import (
    DagsterStorage,
    SqliteStorage,
    StorageError,
    dagster_storage,
    postgres_storage,
)
from ab_pipeline.settings import Settings
from ab_pipeline_tests.maintenance.conftest import silent
from ab_pipeline_tests.servers import postgres_session

pytestmark = pytest.mark.slow

HOLD = """
import sys, time
from pathlib import Path
from ab_pipeline.maintenance.lock import only_one
from ab_pipeline.maintenance.storage import dagster_storage
with only_one(dagster_storage(Path(sys.argv[1])), sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


@dataclass(frozen=True)
class Dagster:
    """A DAGSTER_HOME, and where the storage is that it names."""

    home: Path
    storage: DagsterStorage
    backed_up: Manifest


@pytest.fixture(params=["sqlite", "postgres"])
def dagster(request: pytest.FixtureRequest, home: Path, settings: Settings, store: ObjectStore) -> Dagster:
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg2://")
        (home / "dagster.yaml").write_text(f"storage:\n  postgres:\n    postgres_url: {url}\n")
    return Dagster(home, dagster_storage(home), back_up(settings, home, store, silent))


@contextmanager
def at_work(home: Path, work: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that does the work until the block is left, or somebody kills it."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(home), work], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def test_while_one_is_at_work_no_other_begins_and_each_says_who_is(
    dagster: Dagster, settings: Settings, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0)
    destination = Destination(dagster.storage, dagster.home)

    def clean_up() -> None:
        with DagsterInstance.from_config(str(dagster.home)) as instance:
            open_clean_up(instance, settings, silent).apply()

    others: list[Callable[[], object]] = [
        clean_up,
        lambda: back_up(settings, dagster.home, store, silent),
        lambda: check(dagster.backed_up, destination),
        lambda: restore(store, dagster.backed_up, destination, None, silent),
    ]
    if isinstance(dagster.storage, SqliteStorage):
        others.append(lambda: migrate(SqliteStorage.below(dagster.home), postgres_storage("postgresql://x/y"), silent))
    before = store.list()
    with at_work(dagster.home, "a clean-up") as process:
        holder = rf"a clean-up, process {process.pid} on {socket.gethostname()}, since 20\d\d-\d\d-\d\d \d\d:\d\d UTC"
        sentence = rf"{re.escape(str(dagster.storage))} is in use by {holder}: let it finish, or end it, then try again"
        for other in others:
            with pytest.raises(StorageError, match=f"^{sentence}$"):
                other()
    assert store.list() == before


def test_a_killed_one_holds_up_nobody(dagster: Dagster, settings: Settings, store: ObjectStore) -> None:
    with at_work(dagster.home, "a backup") as process:
        process.kill()
        back_up(settings, dagster.home, store, silent)


def test_of_many_at_once_one_works_at_a_time(dagster: Dagster, tmp_path: Path) -> None:
    """Each notes that it begins and ends. A second that begins in between would be seen."""
    code = """
import sys, time
from pathlib import Path
from ab_pipeline.maintenance import lock
from ab_pipeline.maintenance.storage import dagster_storage
lock._PATIENCE_SECONDS = 60
storage, diary = dagster_storage(Path(sys.argv[1])), open(sys.argv[2], "a")
for _ in range(30):
    with lock.only_one(storage, "a backup"):
        print("begin", file=diary, flush=True)
        time.sleep(0.01)
        print("end", file=diary, flush=True)
"""
    command = [sys.executable, "-c", code, str(dagster.home), str(tmp_path / "diary")]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert (tmp_path / "diary").read_text().split() == ["begin", "end"] * 90


def test_a_database_is_let_go_before_its_name_is_taken(
    dagster: Dagster, store: ObjectStore, settings: Settings
) -> None:
    """Nobody can rename the database that they are in, so this fails if the lock is held too long."""
    destination = Destination(dagster.storage, dagster.home)
    for _ in range(2):
        assert restore(store, dagster.backed_up, destination, None, silent).kept


def test_two_restores_from_one_home_to_two_databases_do_not_share_what_they_stage(
    home: Path, postgres_url: str, settings: Settings, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0)
    location = postgres_url.replace("postgresql://", "postgresql+psycopg2://")
    (home / "dagster.yaml").write_text(f"storage:\n  postgres:\n    postgres_url: {location}\n")
    manifest = back_up(settings, home, store, silent)
    seen: list[str] = []

    def another(line: str) -> None:
        elsewhere = Destination(postgres_storage(postgres_url.replace("/current?", "/current_2?")), home)
        with pytest.raises(StorageError, match="is in use by a restore, process"):
            restore(store, manifest, elsewhere, None, silent)
        seen.append(line)

    restore(store, manifest, Destination(postgres_storage(postgres_url), home), None, another)
    assert seen
    with postgres_session(postgres_url) as cursor:
        cursor.execute("select count(*) from runs")
        assert cursor.fetchone() == (3,)
