"""The demo has a place of its own, and is found where there is nothing else."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import duckdb
import pytest
from click.testing import CliRunner, Result

from ab_pipeline import demo
from ab_pipeline.cli import main
from ab_pipeline.experiments.registry import read_registry
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.settings import ENV_PREFIX, Settings, get_settings
from ab_pipeline.warehouse.duckdb import DuckDBSession, DuckDBWarehouse

SMALL = SampleSpec(users=60, days=60, events_per_day=50)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the demo goes, on a machine without a setting."""
    place = tmp_path / "demo"
    names = {"FOLDER": place, "WAREHOUSE": place / "demo.duckdb", "REGISTRY": place / "registry"}
    for name, path in {**names, "_SETTINGS": place / "settings.env"}.items():
        monkeypatch.setattr(demo, name, path)
    monkeypatch.setattr(demo, "spec_of", lambda today: small_ending(today - dt.timedelta(days=1)))
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setattr(Settings.model_fields["duckdb_path"], "default", tmp_path / "own.duckdb")
    with mock.patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith(ENV_PREFIX) or name == "DAGSTER_HOME"]:
            del os.environ[name]
        get_settings.cache_clear()
        # pydantic keeps defaults in what it compiled
        Settings.model_rebuild(force=True)
        yield place
    monkeypatch.undo()
    Settings.model_rebuild(force=True)
    get_settings.cache_clear()


def small_ending(day: dt.date) -> SampleSpec:
    moved = demo.ending(day)
    return SampleSpec(SMALL.users, SMALL.days, SMALL.events_per_day, end_date=day, moved_by=moved.moved_by)


def run(*arguments: str) -> Result:
    with mock.patch.dict(os.environ):
        result = CliRunner().invoke(main, arguments)
    get_settings.cache_clear()
    return result


def test_it_ends_yesterday_and_its_registry_says_when_its_experiments_run(folder: Path) -> None:
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    result = run("demo")
    assert result.exit_code == 0, result.output
    assert result.output.strip().endswith(f"rows, {yesterday - dt.timedelta(days=59)} to {yesterday}")
    declared = {one.experiment_id: one for one in read_registry(folder / "registry").experiments}
    assert declared["search"].start_date < yesterday < declared["search"].end_date
    assert declared["checkout"].end_date == yesterday - dt.timedelta(days=6)
    assert (folder / "dagster" / "dagster.yaml").exists()


def test_every_command_finds_it_where_there_is_nothing_else_and_says_so(folder: Path, tmp_path: Path) -> None:
    assert "does not exist yet" in run("summary").output
    run("demo")
    found = run("summary")
    assert found.output.startswith(f"This is the demo, in {folder}: there is no setting and no data of your own.")
    assert "nothing is built yet" in found.output
    (tmp_path / "own.duckdb").write_text("")
    assert "This is the demo" not in run("summary").output
    assert "nothing is built yet" in run("--demo", "summary").output


def test_a_file_of_ones_own_never_goes_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("demo")
    (tmp_path / "v.csv").write_text("user_id,variant_id\n1,a\n")
    named: list[Path] = []

    def own(settings: Settings, *, is_patient: bool) -> DuckDBWarehouse:
        assert is_patient
        named.append(settings.duckdb_path)
        return DuckDBWarehouse(tmp_path / "own.duckdb")

    monkeypatch.setattr("ab_pipeline.commands.load.embedded_warehouse", own)
    assert "This is the demo" not in run("load", "user_variant", str(tmp_path / "v.csv")).output
    assert named == [tmp_path / "own.duckdb"]


def test_late_rows_come_any_number_of_times(folder: Path) -> None:
    run("demo")
    day = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=16)
    for _ in range(2):
        assert run("late-rows").output.endswith(f"5 events of {day} landed late in raw_data.user_event\n")


def test_without_a_demo_there_is_none_to_work_on(folder: Path) -> None:
    result = run("--demo", "summary")
    assert result.exit_code == 1
    assert f"there is no demo in {folder}: `make demo` makes it" in result.output


def test_a_sample_that_is_moved_has_the_same_events_but_for_weekends() -> None:

    rows = []
    for moved in (dt.timedelta(0), dt.timedelta(weeks=13)):
        with duckdb.connect() as connection:
            spec = SampleSpec(60, 20, 50, end_date=SMALL.end_date + moved, moved_by=moved)
            generate(DuckDBSession(connection), spec)
            then = f"datestamp - interval '{moved.days} days'"
            query = f"select user_id, {then}, item_id, paidamount from raw_data.user_event"
            rows.append(sorted(connection.execute(query).fetchall()))
    assert rows[0] == rows[1]
