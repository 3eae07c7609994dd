"""Backups while runs are written, and processes that are killed during backups, restores and migrations."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ab_pipeline.maintenance.backup.make import back_up
from ab_pipeline.maintenance.migration.migrate import migrate
from ab_pipeline.maintenance.object_store import open_store
from ab_pipeline.maintenance.storage import SqliteStorage, postgres_storage
from ab_pipeline.settings import load_settings
from ab_pipeline_tests.maintenance.history import live_through, postgres_instance, sqlite_instance
from ab_pipeline_tests.maintenance.kills import (
    Victim,
    contents_of,
    kill_a_backup,
    kill_a_migration,
    kill_a_restore,
    without_times,
)
from ab_pipeline_tests.maintenance.writer import never_existed, restored, writer
from ab_pipeline_tests.servers import empty_database, postgres_server, postgres_session

_DAYS = ("2025-01-01", "2025-01-02")


def states_that_existed(folder: Path, backups: int) -> int:
    """How many backups, made while runs are written, restore to a state that existed."""
    logging.disable()
    home, store = folder / "written", open_store(str(folder / "backups of what is written"))
    with sqlite_instance(home) as instance:
        live_through(instance, _DAYS)
    with writer(home):
        made = [back_up(load_settings(), home, store, _silent) for _ in range(backups)]
    return sum(never_existed(restored(store, manifest.name, folder)) == [] for manifest in made)


def kill_each(folder: Path, kills: int) -> Iterator[str]:
    """Kill so many of each kind on each storage, at other points each time; what was survived.

    Raises:
        AssertionError: something was lost, or the next run did not complete.
    """
    logging.disable()
    dice = random.Random()
    with _victims(folder) as (sqlite, postgres, empty):
        for storage, victim in (("SQLite", sqlite), ("PostgreSQL", postgres)):
            for _ in range(kills):
                kill_a_backup(victim, dice)
            yield f"{kills} backups of {storage}"
            names = [victim.back_up(_silent)]
            victim.change()
            names.append(victim.back_up(_silent))
            for _ in range(kills):
                kill_a_restore(victim, names, dice)
            yield f"{kills} restores of {storage}"
        source, target = SqliteStorage.below(sqlite.home), postgres_storage(empty)
        migrate(source, target, _silent)
        expected = without_times(contents_of(target))
        for _ in range(kills):
            empty_database(empty)
            kill_a_migration(source, target, expected, dice, kills=1)
        yield f"{kills} migrations from SQLite to PostgreSQL"


@contextmanager
def _victims(folder: Path) -> Iterator[tuple[Victim, Victim, str]]:
    """A Dagster on SQLite, one on PostgreSQL, and the URL of an empty database."""
    (folder / "server").mkdir()
    with postgres_server(folder / "server") as server:
        with postgres_session(server) as cursor:
            cursor.execute("create database full_one")
            cursor.execute("create database empty_one")
        homes = folder / "sqlite", folder / "postgres"
        with sqlite_instance(homes[0]) as instance:
            live_through(instance, _DAYS)
        with postgres_instance(homes[1], server.replace("/postgres?", "/full_one?")) as instance:
            live_through(instance, _DAYS)
        sqlite, postgres = (Victim(home, open_store(f"{home}-backups"), load_settings()) for home in homes)
        yield sqlite, postgres, server.replace("/postgres?", "/empty_one?")


def _silent(line: str) -> None:
    pass
