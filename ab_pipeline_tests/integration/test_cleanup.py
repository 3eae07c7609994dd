"""A clean-up of a Dagster with a long past, on both storages: what goes, what stays, and what a crash leaves."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from dagster import DagsterInstance

from ab_pipeline.maintenance.cleanup.archive import Archive
from ab_pipeline.maintenance.cleanup.clean_up import CleanUp
from ab_pipeline.maintenance.cleanup.measure import Places
from ab_pipeline.maintenance.cleanup.open import open_dagster
from ab_pipeline.maintenance.cleanup.policy import Policy
from ab_pipeline.maintenance.folder_store import FolderStore
from ab_pipeline_tests.maintenance.cleanup.believed import what_dagster_believes
from ab_pipeline_tests.maintenance.cleanup.history import instance_at, make_history

RUNS = 120
NOW = datetime.now(UTC)
KEEP_TEN_DAYS = Policy(keep_days=10)


@dataclass(frozen=True)
class Past:
    """A folder, and on PostgreSQL a database, that copies are made of."""

    home: Path
    postgres_url: str | None


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def past(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Past:
    """The history, made once for each storage."""
    home = tmp_path_factory.mktemp("past") / "home"
    url = new_database(request.getfixturevalue("postgres"), "past") if request.param == "postgres" else None
    with instance_at(home, url) as instance:
        make_history(instance, RUNS, NOW)
    return Past(home, url)


@dataclass(frozen=True)
class Copy:
    """A Dagster of one test, with what it has beside its storage."""

    folder: Path
    postgres_url: str | None

    def open(self) -> AbstractContextManager[DagsterInstance]:
        return instance_at(self.folder / "home", self.postgres_url)

    @property
    def archive(self) -> Archive:
        return Archive(FolderStore(self.folder / "archive"))

    @property
    def places(self) -> Places:
        dbt = self.folder / "dbt"
        return Places(self.folder / "alerts.jsonl", self.folder / "reports", dbt, dbt / "local", dbt / "logs", {})

    def clean_up(self, instance: DagsterInstance, policy: Policy = KEEP_TEN_DAYS) -> CleanUp:
        return CleanUp(open_dagster(instance), self.places, self.archive, policy, 400, NOW, say=lambda _: None)


@pytest.fixture
def dagster(past: Past, tmp_path: Path, request: pytest.FixtureRequest) -> Copy:
    shutil.copytree(past.home, tmp_path / "home")
    if past.postgres_url:
        server = request.getfixturevalue("postgres")
        return Copy(tmp_path, new_database(server, f"copy_{tmp_path.name.replace('-', '_')}", template="past"))
    return Copy(tmp_path, None)


def new_database(server: str, name: str, template: str = "template1") -> str:
    url = sa.make_url(server)
    engine = sa.create_engine(url.set(drivername="postgresql+psycopg2"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f'drop database if exists "{name}"'))
        connection.execute(sa.text(f'create database "{name}" template "{template}"'))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)


def test_a_tenth_of_the_runs_stays_and_everything_that_dagster_believes(dagster: Copy) -> None:
    with dagster.open() as instance:
        before = what_dagster_believes(instance)
        logs = {run.run_id: instance.all_logs(run.run_id) for run in instance.get_runs()}
        report = dagster.clean_up(instance).apply()
        assert report.errors == []
        assert report.after
        print(f"{report.before.bytes:,} bytes before, {report.after.bytes:,} after")
        assert report.after.bytes < report.before.bytes / 3
        there = set(instance.get_run_ids())
        assert what_dagster_believes(instance) == before
    assert len(before["assets"]) == 36
    assert len(there) < RUNS / 4
    stories = {story.run_id: story for file in dagster.archive.files() for story in dagster.archive.stories(file)}
    assert stories.keys() == logs.keys() - there
    for run_id, story in stories.items():
        assert [event["timestamp"] for event in story.events] == [event.timestamp for event in logs[run_id]]
