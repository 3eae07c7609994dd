"""What was backed up comes back, whole, and what it replaces is kept."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import duckdb
import pytest
from cryptography.fernet import Fernet
from dagster import DagsterInstance

from ab_pipeline.maintenance.backup.catalog import BackupError, backups, find
from ab_pipeline.maintenance.backup.drill import drill
from ab_pipeline.maintenance.backup.make import back_up
from ab_pipeline.maintenance.backup.manifest import Manifest
from ab_pipeline.maintenance.backup.present import present
from ab_pipeline.maintenance.backup.restore import Destination, restore
from ab_pipeline.maintenance.backup.sqlite_files import contents_of
from ab_pipeline.maintenance.object_store import ObjectStore, open_store
from ab_pipeline.maintenance.storage import (
    SqliteStorage,
    StorageError,
    dagster_storage,
    postgres_storage,
)
from ab_pipeline.settings import Settings, load_settings
from ab_pipeline_tests.maintenance.conftest import silent
from ab_pipeline_tests.maintenance.history import live_through, materialized_days
from ab_pipeline_tests.servers import postgres_session

pytestmark = pytest.mark.slow


def _here(home: Path) -> Destination:
    return Destination(dagster_storage(home), home)


def test_a_backup_restores_what_was_there_and_keeps_what_is(settings: Settings, home: Path, store: ObjectStore) -> None:
    manifest = back_up(settings, home, store, silent)
    with DagsterInstance.from_config(str(home)) as instance:
        live_through(instance, ["2025-01-03"])
    done = restore(store, manifest, _here(home), None, silent)
    with DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_runs_count() == 3
        assert materialized_days(instance) == {"2025-01-01", "2025-01-02"}
    (kept,) = {Path(path).parent for path in done.kept}
    (kept / "history").mkdir()
    (kept / "runs.db").rename(kept / "history" / "runs.db")
    (kept / "runs").rename(kept / "history" / "runs")
    (kept / "dagster.yaml").touch()
    with DagsterInstance.from_config(str(kept)) as instance:
        assert materialized_days(instance) == {"2025-01-01", "2025-01-02", "2025-01-03"}


def test_a_log_of_the_replaced_database_is_not_applied_to_the_restored_one(
    settings: Settings, home: Path, store: ObjectStore
) -> None:
    manifest = back_up(settings, home, store, silent)
    # a process that is killed leaves its commits in the log
    code = (
        "import os, signal, sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('pragma wal_autocheckpoint=0'); c.execute('delete from runs'); c.commit();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(home / "history" / "runs.db")], check=False)
    assert (home / "history" / "runs.db-wal").stat().st_size
    restore(store, manifest, _here(home), None, silent)
    assert contents_of(SqliteStorage.below(home)) == manifest.contents


def test_a_backup_of_s3_is_proved_and_restored_elsewhere(
    settings: Settings, home: Path, tmp_path: Path, s3: str
) -> None:
    bucket = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    store = open_store(f"s3://{bucket}/backups")
    manifest = back_up(settings, home, store, silent)
    assert drill(store, manifest, silent).problems == ()
    assert [found.verified_at is not None for found in backups(store)] == [True]
    elsewhere = tmp_path / "elsewhere"
    restore(store, find(store, None), Destination(SqliteStorage.below(elsewhere), elsewhere), None, silent)
    assert (elsewhere / "dagster.yaml").read_text() == (home / "dagster.yaml").read_text()
    assert contents_of(SqliteStorage.below(elsewhere)) == manifest.contents


@pytest.fixture
def postgres_home(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "postgres_home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_PG_URL", postgres_url.replace("postgresql://", "postgresql+psycopg2://"))
    (home / "dagster.yaml").write_text("storage:\n  postgres:\n    postgres_url: {env: DAGSTER_PG_URL}\n")
    return home


def test_a_postgres_backup_is_proved_and_takes_the_place_of_the_database(
    settings: Settings, postgres_home: Path, postgres_url: str, store: ObjectStore
) -> None:
    manifest = back_up(settings, postgres_home, store, silent)
    assert manifest.contents.tables["runs"].count == 3
    assert drill(store, manifest, silent).problems == ()
    with postgres_session(postgres_url) as sql:
        sql.execute("delete from event_logs")
    done = restore(store, manifest, _here(postgres_home), None, silent)
    with DagsterInstance.from_config(str(postgres_home)) as instance:
        assert materialized_days(instance) == {"2025-01-01", "2025-01-02"}
    (kept,) = done.kept
    with postgres_session(postgres_url.replace("/current?", f"/{kept.removeprefix('database ')}?")) as sql:
        sql.execute("select (select count(*) from event_logs), (select count(*) from runs)")
        assert sql.fetchone() == (0, 3)


def test_a_postgres_backup_can_go_to_a_database_that_does_not_exist_yet(
    settings: Settings, postgres_home: Path, postgres_url: str, store: ObjectStore
) -> None:
    manifest = back_up(settings, postgres_home, store, silent)
    with DagsterInstance.from_config(str(postgres_home)) as instance:
        live_through(instance, ["2025-01-03"])
    found = present(postgres_storage(postgres_url), manifest.created_at)
    assert (found.runs, found.runs_since, found.runs_changed_since, found.ticks_since) == (4, 1, 0, 1)
    other = postgres_storage(postgres_url.replace("/current?", "/current_other?"))
    assert restore(store, manifest, Destination(other, postgres_home), None, silent).kept == ()
    with postgres_session(other.url) as sql:
        sql.execute("select count(*) from runs")
        assert sql.fetchone() == (3,)


def test_a_database_in_use_is_not_replaced(
    settings: Settings, postgres_home: Path, postgres_url: str, store: ObjectStore
) -> None:
    manifest = back_up(settings, postgres_home, store, silent)
    with (
        postgres_session(postgres_url),
        pytest.raises(StorageError, match=r"Dagster is running: stop PostgreSQL connection \d+"),
    ):
        restore(store, manifest, _here(postgres_home), None, silent)


def test_pg_dump_that_fails_fails_the_backup_with_its_reason(
    settings: Settings, postgres_home: Path, postgres_url: str, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres_session(postgres_url) as sql:
        sql.execute("drop role if exists blind; create role blind login")
        sql.execute("grant select on runs to blind")
    monkeypatch.setenv("DAGSTER_PG_URL", os.environ["DAGSTER_PG_URL"].replace("postgres:@", "blind:@"))
    with pytest.raises(StorageError, match=r"pg_dump ended with exit code 1: .*permission denied"):
        back_up(settings, postgres_home, store, silent)
    assert store.list() == []


def test_the_warehouse_is_copied_with_its_log_and_restored(
    home: Path, store: ObjectStore, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AB_PIPELINE_BACKUP_WAREHOUSE", "true")
    code = (
        "import os, signal, duckdb, sys; c = duckdb.connect(sys.argv[1]);"
        "c.execute('create table raw as select range as id, null as nothing from range(1000)');"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(settings.duckdb_path)], check=False)
    assert settings.duckdb_path.with_name("warehouse.duckdb.wal").exists()
    manifest = back_up(load_settings(), home, store, silent)
    assert manifest.warehouse["main.raw"].count == 1000
    assert drill(store, manifest, silent).problems == ()
    with duckdb.connect(settings.duckdb_path) as connection:
        connection.execute("drop table raw")
    restore(store, manifest, dataclasses.replace(_here(home), warehouse=settings.duckdb_path), None, silent)
    with duckdb.connect(settings.duckdb_path) as connection:
        assert connection.execute("select count(*) from raw").fetchall() == [(1000,)]
    (kept,) = tmp_path.glob("warehouse.duckdb.replaced-*")
    with duckdb.connect(kept) as connection:
        assert connection.execute("show tables").fetchall() == []


@pytest.fixture
def keyed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("AB_PIPELINE_SLACK_TOKEN", "xoxb-secret")
    monkeypatch.setenv("AB_PIPELINE_SLACK_CHANNEL", "#experiments")
    monkeypatch.setenv("AB_PIPELINE_BACKUP_KEY", Fernet.generate_key().decode())
    return load_settings()


def _everything_in(store: ObjectStore) -> bytes:
    return b"".join(store.get_bytes(found.name) for found in store.list())


def test_secrets_come_back_with_the_key_alone(keyed: Settings, home: Path, store: ObjectStore, tmp_path: Path) -> None:
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n# password: hunter2\n")
    manifest = back_up(keyed, home, store, silent)
    assert keyed.backup_key
    for secret in (b"xoxb-secret", b"hunter2", keyed.backup_key.get_secret_value().encode()):
        assert secret not in _everything_in(store)
    done = restore(store, manifest, _here(home), keyed.backup_key, silent)
    secrets = done.configuration / "secrets.env"
    assert secrets.read_text() == "AB_PIPELINE_SLACK_TOKEN=xoxb-secret\n"
    assert secrets.stat().st_mode & 0o077 == 0
    assert "hunter2" in (done.configuration / "dagster.yaml").read_text()
    assert "AB_PIPELINE_SLACK_CHANNEL=#experiments\n" in (done.configuration / "settings.env").read_text()


def test_without_a_key_no_secret_is_written_and_the_manifest_says_so(
    keyed: Settings, home: Path, store: ObjectStore
) -> None:
    manifest = back_up(keyed.model_copy(update={"backup_key": None}), home, store, silent)
    assert "AB_PIPELINE_SLACK_TOKEN: secrets need AB_PIPELINE_BACKUP_KEY" in manifest.left_out
    assert b"xoxb-secret" not in _everything_in(store)


def _of(manifest: Manifest, **changes: str) -> Manifest:
    contents = dataclasses.replace(manifest.contents, revisions=manifest.contents.revisions | changes)
    return dataclasses.replace(manifest, contents=contents)


def test_a_backup_of_a_newer_schema_is_refused(settings: Settings, home: Path, store: ObjectStore) -> None:
    newer = _of(back_up(settings, home, store, silent), runs="ffffffffffff")
    with pytest.raises(BackupError, match=r"schema of Dagster .* \(revision ffffffffffff\).*upgrade first"):
        restore(store, newer, _here(home), None, silent)
    assert "upgrade first" in drill(store, newer, silent).problems[0]


def test_a_backup_that_does_not_restore_to_what_was_backed_up_is_refused_and_changes_nothing(
    settings: Settings, home: Path, store: ObjectStore
) -> None:
    manifest = back_up(settings, home, store, silent)
    other = _of(manifest, runs="29b539ebc72a", events="284a732df317")
    before = contents_of(SqliteStorage.below(home))
    with pytest.raises(BackupError, match="revision of events"):
        restore(store, other, _here(home), None, silent)
    assert contents_of(SqliteStorage.below(home)) == before
    assert any("revision of events" in problem for problem in drill(store, other, silent).problems)


@pytest.fixture
def running(home: Path) -> Iterator[int]:
    code = "import time; print('up', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, "dagster-daemon"]
    with subprocess.Popen(command, env={**os.environ, "DAGSTER_HOME": str(home)}, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield process.pid
        process.kill()


def test_nothing_is_restored_below_a_running_dagster(
    settings: Settings, home: Path, store: ObjectStore, running: int
) -> None:
    manifest = back_up(settings, home, store, silent)
    with pytest.raises(StorageError, match=rf"Dagster is running: stop process {running}"):
        restore(store, manifest, _here(home), None, silent)
