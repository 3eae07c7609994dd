"""Processes that are killed at any moment of a backup, a restore or a migration; what must hold afterwards."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg2

from ab_pipeline.maintenance.backup import postgres_dump, sqlite_files
from ab_pipeline.maintenance.backup.catalog import backups, check_files, find
from ab_pipeline.maintenance.backup.make import back_up
from ab_pipeline.maintenance.backup.manifest import Contents
from ab_pipeline.maintenance.backup.restore import Destination, go_on, restore
from ab_pipeline.maintenance.migration.migrate import migrate
from ab_pipeline.maintenance.object_store import ObjectStore
from ab_pipeline.maintenance.postgres import administration, database_name, sibling
from ab_pipeline.maintenance.storage import (
    DagsterStorage,
    PostgresStorage,
    SqliteStorage,
    StorageError,
    dagster_storage,
)
from ab_pipeline.settings import Settings

PROCESSES = multiprocessing.get_context("forkserver")
# a process starts with all of it imported
PROCESSES.set_forkserver_preload([__name__])

Say = Callable[[str], None]


@dataclass(frozen=True)
class Victim:
    """A Dagster, and the store that it is backed up to."""

    home: Path
    store: ObjectStore
    settings: Settings

    @property
    def destination(self) -> Destination:
        return Destination(dagster_storage(self.home), self.home)

    def back_up(self, say: Say) -> str:
        """A backup; its name."""
        return back_up(self.settings, self.home, self.store, say).name

    def change(self) -> None:
        """What it holds now no backup before holds."""
        _mark(self.destination.storage, "mark changed")

    def restore(self, name: str, say: Say) -> None:
        restore(self.store, find(self.store, name), self.destination, None, say)


def kill_a_backup(victim: Victim, dice: random.Random) -> None:
    """Nothing changes, every backup that can be seen is whole, and the next completes and leaves no leftovers."""
    before = contents_of(victim.destination.storage)
    kill(dice, _back_up_for_ever, victim)
    assert contents_of(victim.destination.storage) == before
    victim.back_up(_silent)
    assert not list(Path(victim.store.location).glob(".*"))
    for found in backups(victim.store):
        assert found.manifest, found.problem
        check_files(victim.store, found.manifest, _silent)


def kill_a_restore(victim: Victim, names: list[str], dice: random.Random) -> None:
    """What is there is one of the backups or what was there, which is kept; and the next restore completes."""
    storage = victim.destination.storage
    states = [find(victim.store, name).contents for name in names]
    mark = f"mark {dice.random()}"
    _mark(storage, mark)
    before = contents_of(storage)
    kill(dice, _restore_for_ever, victim, names)
    go_on(victim.destination)
    assert contents_of(storage) in [before, *states]
    victim.restore(names[0], _silent)
    assert contents_of(storage) == states[0]
    assert mark in _marks_of_what_is_kept(victim)
    assert not list(victim.home.glob(".restoring.*"))


def kill_a_migration(
    source: SqliteStorage, target: PostgresStorage, expected: Contents, dice: random.Random, kills: int
) -> None:
    """The source is not changed, and in the end PostgreSQL holds what a migration without a kill makes."""
    before = contents_of(source)
    for _ in range(kills):
        kill(dice, _migrate, source, target)
    _migrate(source, target, _silent)
    assert contents_of(source) == before
    assert without_times(contents_of(target)) == expected


def contents_of(storage: DagsterStorage) -> Contents:
    """What either storage holds."""
    if isinstance(storage, PostgresStorage):
        return postgres_dump.contents_of(storage)
    return sqlite_files.contents_of(storage)


def without_times(migrated: Contents) -> Contents:
    """But the table in which Dagster notes when it created its tables."""
    tables = {name: digest for name, digest in migrated.tables.items() if name != "secondary_indexes"}
    return Contents(migrated.revisions, tables, migrated.partitions)


def kill(
    dice: random.Random, work: Callable[..., None], *arguments: object, most_lines: int = 16, seconds: float = 0.2
) -> None:
    """Kill a process a moment after it has said something for the n-th time, if it has not ended before."""
    receiver, sender = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=_aloud, args=(work, arguments, sender))
    process.start()
    sender.close()
    with suppress(EOFError):
        for _ in range(dice.randint(1, most_lines)):
            receiver.recv()
    time.sleep(dice.uniform(0, seconds))
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL), "it failed before it was killed"


def _aloud(work: Callable[..., None], arguments: Iterable[object], sender: Connection) -> None:
    work(*arguments, sender.send)


def _back_up_for_ever(victim: Victim, say: Say) -> None:
    while True:
        victim.back_up(say)


def _restore_for_ever(victim: Victim, names: list[str], say: Say) -> None:
    for name in cycle(names):
        victim.restore(name, say)


def _migrate(source: SqliteStorage, target: PostgresStorage, say: Say) -> None:
    try:
        migrate(source, target, say)
    except StorageError as error:
        # the last one was killed when all was done
        if "already" not in str(error):
            raise


def _marks_of_what_is_kept(victim: Victim) -> set[str]:
    """The marks in all that restores have kept, which is deleted."""
    storage = victim.destination.storage
    if isinstance(storage, SqliteStorage):
        kept = victim.home / "replaced"
        marks = {mark for file in kept.glob("*/runs.db") for mark in _marks(sqlite3.connect(file))}
        shutil.rmtree(kept)
        return marks
    with administration(storage) as cursor:
        cursor.execute("select datname from pg_database where datname like %s", [f"{database_name(storage)}_replaced%"])
        names = [name for (name,) in cursor.fetchall()]
        marks = {mark for name in names for mark in _marks(psycopg2.connect(sibling(storage, name).url))}
        for name in names:
            cursor.execute(f'drop database "{name}" with (force)')
    return marks


def _mark(storage: DagsterStorage, mark: str) -> None:
    """Something that no backup holds."""
    is_postgres = isinstance(storage, PostgresStorage)
    with closing(psycopg2.connect(storage.url) if is_postgres else sqlite3.connect(storage.runs)) as connection:
        connection.cursor().execute(f"insert into kvs (key, value) values ('{mark}', '')")
        connection.commit()


def _marks(connection: Any) -> list[str]:
    with closing(connection):
        cursor = connection.cursor()
        cursor.execute("select key from kvs where key like 'mark%'")
        return [mark for (mark,) in cursor.fetchall()]


def _silent(line: str) -> None:
    pass
