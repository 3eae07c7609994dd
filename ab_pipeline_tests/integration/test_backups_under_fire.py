"""Backups while Dagster writes: each is a state that existed. `python -m benchmarks backups` makes thirty."""

from __future__ import annotations

from pathlib import Path

import pytest

from ab_pipeline.maintenance.backup.drill import drill
from ab_pipeline.maintenance.backup.make import back_up
from ab_pipeline.maintenance.object_store import open_store
from ab_pipeline.settings import Settings, load_settings
from ab_pipeline_tests.maintenance.history import live_through, sqlite_instance
from ab_pipeline_tests.maintenance.writer import never_existed, restored, writer

pytestmark = pytest.mark.slow


def _silent(line: str) -> None:
    pass


@pytest.fixture
def settings() -> Settings:
    return load_settings()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with sqlite_instance(tmp_path / "home") as instance:
        live_through(instance, ["2025-01-01"])
    return tmp_path / "home"


def test_each_backup_made_while_runs_are_written_is_a_state_that_existed(
    settings: Settings, home: Path, tmp_path: Path
) -> None:
    store = open_store(str(tmp_path / "backups"))
    with writer(home):
        made = [back_up(settings, home, store, _silent) for _ in range(5)]
    for manifest in made:
        storage = restored(store, manifest.name, tmp_path)
        assert never_existed(storage) == []
        assert drill(store, manifest, _silent).problems == ()


def test_a_copy_of_one_file_after_the_other_is_found_to_be_no_such_state(
    settings: Settings, home: Path, tmp_path: Path
) -> None:
    """What the check above can see."""
    store = open_store(str(tmp_path / "backups"))
    first = back_up(settings, home, store, _silent)
    with sqlite_instance(home) as instance:
        live_through(instance, ["2025-01-02"])
    second = back_up(settings, home, store, _silent)
    earlier, later = (restored(store, manifest.name, tmp_path) for manifest in (first, second))
    earlier.runs.replace(later.runs)
    assert "which is not there" in never_existed(later)[0]
