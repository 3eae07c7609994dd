"""A clean-up of a Dagster with a long past, on both storages: what goes, what stays, and what a crash leaves."""

from __future__ import annotations

import json
import random
import shutil
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import pytest
import sqlalchemy as sa
from dagster import AssetKey, AssetMaterialization, DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.run_status_sensor_definition import RunStatusSensorCursor

from ab_pipeline.maintenance.cleanup.archive import Archive
from ab_pipeline.maintenance.cleanup.beliefs import read_beliefs
from ab_pipeline.maintenance.cleanup.clean_up import CleanUp
from ab_pipeline.maintenance.cleanup.measure import Places
from ab_pipeline.maintenance.cleanup.open import open_dagster
from ab_pipeline.maintenance.cleanup.policy import NEEDED, Policy
from ab_pipeline.maintenance.folder_store import FolderStore
from ab_pipeline.maintenance.lock import only_one
from ab_pipeline.maintenance.storage import StorageError
from ab_pipeline_tests.maintenance.cleanup.believed import what_dagster_believes
from ab_pipeline_tests.maintenance.cleanup.history import add_sensor, instance_at, make_history
from ab_pipeline_tests.maintenance.cleanup.pipeline import DEFINITIONS, FIRST_DAY
from ab_pipeline_tests.maintenance.kills import PROCESSES, Say, kill

pytestmark = pytest.mark.slow

RUNS = 100
# a process starts with Dagster imported
PROCESSES.set_forkserver_preload([__name__])
NOW = datetime.now(UTC)
# a tenth of the runs, and the last failure of each of three partitions
STAY = RUNS // 10 + 3
KEEP_A_TENTH = Policy(keep_days=5)


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
        make_history(instance, RUNS, NOW, days=50)
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

    def clean_up(self, instance: DagsterInstance, policy: Policy = KEEP_A_TENTH) -> CleanUp:
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


@dataclass(frozen=True)
class Known:
    """What is known before a clean-up, and must be after it."""

    beliefs: dict[str, Any]
    times: dict[str, list[float]]
    """When what happened, by run."""

    @classmethod
    def of(cls, instance: DagsterInstance) -> Self:
        runs = instance.get_run_ids()
        return cls(
            what_dagster_believes(instance),
            {run_id: _times(instance, run_id) for run_id in runs},
        )

    def is_still_known(self, instance: DagsterInstance, archive: Archive) -> None:
        """Assert that Dagster believes the same, and that each run is there or its story is, whole."""
        assert what_dagster_believes(instance) == self.beliefs
        there = set(instance.get_run_ids())
        stories = {story.run_id: story for file in archive.files() for story in archive.stories(file)}
        assert stories.keys() >= self.times.keys() - there
        for run_id, story in stories.items():
            assert [event["timestamp"] for event in story.events] == self.times[run_id]
            assert story.logs
        for run_id in there:
            assert _times(instance, run_id) == self.times[run_id]


def _times(instance: DagsterInstance, run_id: str) -> list[float]:
    return [json.loads(event)["timestamp"] for event in open_dagster(instance).engine.stored_events(run_id)]


def assert_nothing_is_left_of_removed_runs(instance: DagsterInstance, known: Known) -> None:
    gone = known.times.keys() - set(instance.get_run_ids())
    dagster, long_ago = open_dagster(instance), datetime.fromtimestamp(0, UTC)
    assert not gone & dagster.engine.shards(long_ago).keys()
    assert not gone & dagster.folders.trees(long_ago).keys()
    believed = read_beliefs(instance, NOW - NEEDED)
    left = sum(dagster.tables.rows_by_run()[run_id] for run_id in gone)
    assert left <= len(believed.events) + len(believed.checks)


def test_most_runs_go_and_everything_that_dagster_believes_stays(dagster: Copy) -> None:
    with dagster.open() as instance:
        known = Known.of(instance)
        report = dagster.clean_up(instance).apply()
        assert report.errors == []
        assert report.after
        print(f"{report.before.bytes:,} bytes before, {report.after.bytes:,} after")
        assert report.after.bytes < report.before.bytes / 2.5
        assert len(report.after.runs) <= STAY
        known.is_still_known(instance, dagster.archive)
        assert_nothing_is_left_of_removed_runs(instance, known)
        assert len(known.beliefs["assets"]) == 36
        assert dagster.clean_up(instance).preview().plan.removals == ()


def test_the_rows_that_stay_are_enough_even_if_those_of_every_run_go(dagster: Copy) -> None:
    with dagster.open() as instance:
        believed, beliefs = what_dagster_believes(instance), read_beliefs(instance, NOW - NEEDED)
        assert open_dagster(instance).tables.delete_events(instance.get_run_ids(), beliefs) > 1000
        assert what_dagster_believes(instance) == believed


def test_a_clean_up_that_is_killed_at_random_points_is_taken_up_again(dagster: Copy) -> None:
    choices = random.Random(5)
    with dagster.open() as instance:
        known = Known.of(instance)
    for _ in range(6):
        kill(choices, clean_up_aloud, dagster, most_lines=6, seconds=0.05)
    with dagster.open() as instance:
        assert dagster.clean_up(instance).apply().errors == []
        known.is_still_known(instance, dagster.archive)
        assert_nothing_is_left_of_removed_runs(instance, known)
        assert len(instance.get_run_ids()) <= STAY


def clean_up_aloud(dagster: Copy, say: Say) -> None:
    with dagster.open() as instance:
        replace(dagster.clean_up(instance), say=say).apply()


def test_a_second_clean_up_is_refused_while_one_is_at_work_and_not_after_it_was_killed(dagster: Copy) -> None:
    receiver, sender = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=hold_the_lock, args=(dagster, sender))
    process.start()
    receiver.recv()
    with dagster.open() as instance:
        with pytest.raises(StorageError, match=rf"is in use by a clean-up, process {process.pid} on "):
            dagster.clean_up(instance).apply()
        assert len(instance.get_run_ids()) == RUNS
        process.kill()
        process.join()
        with only_one(open_dagster(instance).engine.storage, "a clean-up"):
            pass


def hold_the_lock(dagster: Copy, sender: Connection) -> None:
    with dagster.open() as instance, only_one(open_dagster(instance).engine.storage, "a clean-up"):
        sender.send("locked")
        time.sleep(60)


def test_runs_that_end_during_a_clean_up_are_recorded_whole(dagster: Copy) -> None:
    process = PROCESSES.Process(target=run_the_dailies, args=(dagster,))
    process.start()
    with dagster.open() as instance:
        report = dagster.clean_up(instance).apply()
        process.join()
        assert process.exitcode == 0
        assert report.errors == []
        new = instance.get_run_records(RunsFilter(created_after=NOW))
        assert [record.dagster_run.status for record in new] == [DagsterRunStatus.SUCCESS] * 3
        for record in new:
            kinds = [event.dagster_event_type for event in instance.all_logs(record.dagster_run.run_id)]
            assert kinds.count(DagsterEventType.ASSET_MATERIALIZATION) == 5
            assert instance.get_job_snapshot(record.dagster_run.job_snapshot_id or "")
        newest = {record.dagster_run.run_id for record in new}
        for number in range(5):
            latest = instance.get_latest_materialization_event(AssetKey(f"daily_{number}"))
            assert latest
            assert latest.run_id in newest


def run_the_dailies(dagster: Copy) -> None:
    with dagster.open() as instance:
        for day in (1, 2, 3):
            DEFINITIONS.resolve_job_def("dailies").execute_in_process(
                instance=instance, partition_key=f"2025-02-0{day}"
            )


def test_runs_that_a_sensor_has_not_handled_stay(dagster: Copy) -> None:
    with dagster.open() as instance:
        ends = instance.fetch_run_status_changes(DagsterEventType.RUN_SUCCESS, limit=1000, ascending=True).records
        handled, ahead = ends[20], {record.run_id for record in ends[21:]}
        add_sensor(instance, "behind", RunStatusSensorCursor(handled.storage_id).to_json())
        plan = dagster.clean_up(instance).apply().plan
        going = {removal.run.run_id for removal in plan.removals}
        assert going
        assert not going & ahead
        assert plan.kept["ahead of the cursor of behind"] > 50
        left = instance.fetch_run_status_changes(DagsterEventType.RUN_SUCCESS, limit=1000, ascending=True).records
        assert [record for record in left if record.storage_id > handled.storage_id] == ends[21:]


def test_failures_that_were_not_reported_yet_stay(dagster: Copy) -> None:
    reported = NOW - timedelta(days=25)
    with dagster.open() as instance:
        add_sensor(instance, "run_failure_alerts", reported.isoformat())
        plan = dagster.clean_up(instance).preview().plan
        assert plan.removals
        for removal in plan.removals:
            assert removal.run.ended_at
            assert removal.run.ended_at < reported


def test_ids_go_on_above_every_cursor(dagster: Copy) -> None:
    """SQLite gives the highest id again once its row is deleted."""
    with dagster.open() as instance:
        [newest] = instance.get_runs(limit=1)
        highest = instance.event_log_storage.get_maximum_record_id()
        assert highest
        deleted = open_dagster(instance).tables.delete_events([newest.run_id], read_beliefs(instance, NOW - NEEDED))
        assert deleted
        instance.report_runless_asset_event(AssetMaterialization("next"))
        [following] = instance.fetch_materializations(AssetKey("next"), limit=1).records
        assert following.storage_id > highest


def test_what_cannot_be_archived_is_not_removed_and_everything_else_is_done(dagster: Copy) -> None:
    (dagster.folder / "archive").write_text("no folder")
    with dagster.open() as instance:
        report = dagster.clean_up(instance).apply()
        assert len(report.errors) > 30
        assert len(instance.get_run_ids()) == RUNS
        assert {part.part for part in report.parts if not part.error} >= {"ticks", "snapshots", "space"}


def test_what_was_superseded_stays_for_as_long_as_a_sensor_may_ask_for_it_and_then_goes(dagster: Copy) -> None:
    with dagster.open() as instance:
        clean_up = dagster.clean_up(instance)
        clean_up.apply()
        before = clean_up.dagster.tables.rows_by_run()
        gone = before.keys() - set(instance.get_run_ids())
        assert gone
        for number in range(12):
            day = f"{FIRST_DAY + timedelta(days=number):%Y-%m-%d}"
            for asset in range(5):
                built = AssetMaterialization(f"daily_{asset}", partition=day, tags={DATA_VERSION_TAG: "2"})
                instance.report_runless_asset_event(built)
        dagster.clean_up(instance).apply()
        assert {run_id: clean_up.dagster.tables.rows_by_run()[run_id] for run_id in gone} == {
            run_id: before[run_id] for run_id in gone
        }
        replace(dagster.clean_up(instance), now=NOW + timedelta(days=4)).apply()
        after = clean_up.dagster.tables.rows_by_run()
        # the attempts are still the last, the materializations are not
        assert sum(before[run_id] - after[run_id] for run_id in gone) > 20
        assert sum(after[run_id] for run_id in gone) > 20
