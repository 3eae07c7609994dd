"""kill -9 at random points: nothing is lost, and the next run completes. Clean-up's kills are in test_cleanup.py."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ab_pipeline.maintenance.migration.migrate import migrate
from ab_pipeline.maintenance.object_store import ObjectStore
from ab_pipeline.maintenance.storage import SqliteStorage, postgres_storage
from ab_pipeline.settings import Settings
from ab_pipeline_tests.maintenance.conftest import silent
from ab_pipeline_tests.maintenance.kills import (
    Victim,
    contents_of,
    kill_a_backup,
    kill_a_migration,
    kill_a_restore,
    without_times,
)
from ab_pipeline_tests.servers import empty_database

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgres"])
def victim(request: pytest.FixtureRequest, home: Path, settings: Settings, store: ObjectStore) -> Victim:
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg2://")
        (home / "dagster.yaml").write_text(f"storage:\n  postgres:\n    postgres_url: {url}\n")
    return Victim(home, store, settings)


def test_backups(victim: Victim) -> None:
    dice = random.Random(1)
    for _ in range(8):
        kill_a_backup(victim, dice)


def test_restores(victim: Victim) -> None:
    dice, first = random.Random(2), victim.back_up(silent)
    victim.change()
    names = [first, victim.back_up(silent)]
    for _ in range(7):
        kill_a_restore(victim, names, dice)


def test_migrations(home: Path, postgres_url: str) -> None:
    dice, source, target = random.Random(3), SqliteStorage.below(home), postgres_storage(postgres_url)
    empty_database(postgres_url)
    migrate(source, target, silent)
    expected = without_times(contents_of(target))
    # a second process may go on to the end before it is killed: about eight are
    for _ in range(6):
        empty_database(postgres_url)
        kill_a_migration(source, target, expected, dice, kills=2)
