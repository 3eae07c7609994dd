"""`ab-pipeline backup`, `backups`, `verify`, `restore`: one sentence a step, a question before anything is replaced."""

from __future__ import annotations

import re
import time
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet

from ab_pipeline.cli import main
from ab_pipeline.settings import ENV_PREFIX, SettingsError, get_settings, load_settings
from ab_pipeline_tests.maintenance.history import live_through, sqlite_instance

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with sqlite_instance(tmp_path / "home") as instance:
        live_through(instance, ["2025-01-01"])
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(f"{ENV_PREFIX}BACKUP_LOCATION", str(tmp_path / "backups"))
    get_settings.cache_clear()
    return tmp_path / "home"


def _run(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=answer)


def test_a_backup_is_listed_verified_and_restored(home: Path) -> None:
    assert "holds no backup" in _run("backups").output
    assert _run("backup").exit_code == 0
    assert "not yet" in _run("backups").output
    assert "is verified: 1 runs and 1 partitions restored" in _run("verify").output
    assert "UTC" in _run("backups").output
    said = _run("restore", "--yes").output
    assert "SQLite files equal what was backed up" in said
    assert f"kept {home}/replaced/" in said


def test_nothing_is_replaced_without_a_yes(home: Path) -> None:
    _run("backup")
    before = sorted(home.rglob("*"))
    assert _run("restore", answer="n\n").exit_code == 1
    assert "whose state is kept beside it" in _run("restore", "--dry-run").output
    assert sorted(home.rglob("*")) == before


def test_before_a_restore_one_sees_what_is_newer_than_the_backup(home: Path) -> None:
    _run("backup")
    said = _run("restore", "--dry-run").output
    assert re.search(r"there now: 1 runs, the newest of 20\d\d-\d\d-\d\d \d\d:\d\d UTC\n", said)
    assert "nothing there is newer than the backup\n" in said
    # SQLite notes the second of a tick
    time.sleep(1)
    with sqlite_instance(home) as instance:
        [old] = instance.get_runs()
        instance.report_run_canceled(old)
        live_through(instance, ["2025-01-02", "2025-01-13"])
    said = _run("restore", "--dry-run").output
    assert "there now: 3 runs, the newest of" in said
    assert "newer than the backup, and not in it: 2 runs, 1 runs that went on, 1 ticks" in said
    assert "newer than the backup" in _run("restore", answer="n\n").output


def test_a_damaged_storage_can_be_replaced_though_nothing_is_known_of_it(home: Path) -> None:
    _run("backup")
    (home / "history" / "runs.db").write_bytes(b"no database" * 1000)
    result = _run("restore", "--yes")
    assert "what is there now cannot be compared: SQLite in" in result.output
    assert result.exit_code == 0


def test_that_the_warehouse_is_not_in_a_backup_is_said_where_it_could_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}DUCKDB_PATH", str(tmp_path / "warehouse.duckdb"))
    get_settings.cache_clear()
    advice = "not in it: the warehouse: set AB_PIPELINE_BACKUP_WAREHOUSE=true"
    assert advice not in _run("backup").output
    duckdb.connect(tmp_path / "warehouse.duckdb").close()
    assert advice in _run("backup").output
    assert advice not in _run("restore", "--dry-run").output


def test_a_restore_to_another_folder_asks_nothing(tmp_path: Path) -> None:
    _run("backup")
    result = _run("restore", "--to", str(tmp_path / "other"))
    assert result.exit_code == 0
    assert (tmp_path / "other" / "history" / "runs.db").exists()


def test_what_is_not_there_is_said_in_a_sentence() -> None:
    assert "holds no backup: make one with `ab-pipeline backup`" in _run("verify").output
    _run("backup")
    assert "holds no backup yesterday: `ab-pipeline backups` lists them" in _run("restore", "yesterday").output
    assert "gs://x is not of the form postgresql://" in _run("restore", "--to", "gs://x").output


def test_a_damaged_backup_is_named_and_not_restored(tmp_path: Path) -> None:
    _run("backup")
    (archive,) = (tmp_path / "backups").glob("*/dagster.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-1])
    for command in (("verify",), ("verify", "--files-only"), ("restore", "--yes")):
        result = _run(*command)
        assert result.exit_code == 1
        assert "is damaged: dagster.tar.gz has" in result.output


def test_a_new_key_is_one_that_the_settings_take(monkeypatch: pytest.MonkeyPatch) -> None:
    key = _run("backup-key").output.strip()
    Fernet(key)
    monkeypatch.setenv(f"{ENV_PREFIX}BACKUP_KEY", key)
    assert load_settings().backup_key
    monkeypatch.setenv(f"{ENV_PREFIX}BACKUP_KEY", "hunter2")
    with pytest.raises(SettingsError, match=r"AB_PIPELINE_BACKUP_KEY=\.\.\.: it is not a key") as error:
        load_settings()
    assert "hunter2" not in str(error.value)
