"""The clean-up as a person and as the clock start it: `ab-pipeline storage`, `cleanup`, `archive`, and the job."""

from __future__ import annotations

import base64
import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner, Result
from dagster import ExecuteInProcessResult, build_schedule_context

from ab_pipeline.cli import main
from ab_pipeline.maintenance.cleanup import measure
from ab_pipeline.maintenance.cleanup.job import cleanup_job, cleanup_schedule
from ab_pipeline.settings import ENV_PREFIX, Settings, get_settings, load_settings
from ab_pipeline_tests.maintenance.cleanup.history import instance_at, make_history

pytestmark = pytest.mark.slow

RUNS = 24


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("past")
    with instance_at(home) as instance:
        make_history(instance, RUNS, datetime.now(UTC))
    return home


@pytest.fixture
def home(past: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A DAGSTER_HOME with a past, and settings that leave the developer's own files alone."""
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    monkeypatch.setattr(measure, "PROJECT_DIR", tmp_path / "dbt_project")
    # the command exports its settings to the environment
    with mock.patch.dict(os.environ):
        for name in Settings.model_fields:
            os.environ.pop(ENV_PREFIX + name.upper(), None)
        os.environ["DAGSTER_HOME"] = str(tmp_path / "home")
        os.environ[f"{ENV_PREFIX}ARCHIVE_LOCATION"] = str(tmp_path / "archive")
        os.environ[f"{ENV_PREFIX}ALERTS_PATH"] = str(tmp_path / "alerts.jsonl")
        os.environ[f"{ENV_PREFIX}CLEANUP_MIN_RUNS_PER_JOB"] = "1"
        os.environ[f"{ENV_PREFIX}CLEANUP_KEEP_DAYS_BY_STATUS"] = "FAILURE=30"
        get_settings.cache_clear()
        yield shutil.copytree(past, tmp_path / "home")
    get_settings.cache_clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def run_ids(home: Path) -> set[str]:
    with instance_at(home) as instance:
        return set(instance.get_run_ids())


def test_storage_shows_what_there_is_and_when_the_disk_is_full(home: Path) -> None:
    printed = run("storage").output
    for name in ("run databases", "events", "check executions", "run folders", "runs", "ticks", "snapshots"):
        assert re.search(rf"│ {name} +│ this disk │ +[\d.]+ [kM]?B │", printed), name
    assert f"in all, {RUNS} runs" in printed
    assert "free on this disk: full on " in printed


def test_without_apply_a_clean_up_says_what_it_would_do_and_with_it_does_just_that(home: Path) -> None:
    before = run_ids(home)
    planned = run("cleanup")
    assert run_ids(home) == before
    assert not (home.parent / "archive").exists()
    done = run("cleanup", "--apply")
    assert (planned.exit_code, done.exit_code) == (0, 0)
    assert [line for line in planned.output.splitlines() if line[0] in "│0123456789"][:-1] == [
        line for line in done.output.splitlines() if line[0] in "│0123456789"
    ][:-1]
    announced = re.search(r"(\d+) of 24 runs would be archived and removed", planned.output)
    assert announced
    assert int(announced[1]) == len(before - run_ids(home)) > 0


def test_where_there_is_nothing_a_sentence_says_so(home: Path) -> None:
    nothing = (
        f"{home.parent}/archive holds no archived runs: `ab-pipeline cleanup --apply` puts there what it removes\n"
    )
    assert run("archive", "list").output == nothing
    os.environ[f"{ENV_PREFIX}CLEANUP_KEEP_DAYS"] = "300"
    os.environ[f"{ENV_PREFIX}CLEANUP_KEEP_DAYS_BY_STATUS"] = ""
    get_settings.cache_clear()
    planned = run("cleanup").output
    assert planned.startswith("no run goes\n")
    assert "0 of 24 runs would be archived and removed" in planned


def test_an_archived_run_still_tells_what_happened(home: Path) -> None:
    with instance_at(home) as instance:
        failed = next(run for run in reversed(instance.get_runs()) if run.job_name == "flakies")
    assert run("archive", "show", failed.run_id).exit_code == 1
    run("cleanup", "--apply")
    assert failed.run_id not in run_ids(home)
    shown = run("archive", "show", failed.run_id[:8]).output
    for said in (f"run {failed.run_id}", "job flakies: FAILURE", "STEP_FAILURE flaky", "the warehouse is on fire"):
        assert said in shown
    assert "\nstdout of flaky\nabout to fail\n" in shown
    assert "about to fail" not in run("archive", "show", failed.run_id, "--no-logs").output
    day = re.search(r"ended (\S+)", shown)
    assert day
    assert f"│ {day[1]}" in re.sub(r" +", " ", run("archive", "list").output)
    assert run("archive", "show", failed.run_id, "--ended", "2020-01-01").exit_code == 1


def test_a_clean_up_of_which_a_part_fails_ends_with_exit_code_1_and_a_failed_run(home: Path) -> None:
    (home.parent / "archive").write_text("no folder")
    result = run("cleanup", "--apply")
    assert result.exit_code == 1
    assert "Error: runs that ended on " in result.output
    assert "Not a directory" in result.output
    failed = clean_up_by_job(home, {"dry_run": False})
    assert not failed.success
    assert len(run_ids(home)) == RUNS + 1


def test_a_missing_dagster_home_is_named(home: Path) -> None:
    os.environ["DAGSTER_HOME"] = str(home / "nowhere")
    advice = "set DAGSTER_HOME to the folder with dagster.yaml"
    assert run("cleanup").output == f"Error: {home}/nowhere does not exist: {advice}\n"


# The job


def clean_up_by_job(home: Path, config: dict[str, bool]) -> ExecuteInProcessResult:
    with instance_at(home) as instance:
        return cleanup_job(load_settings()).execute_in_process(
            instance=instance, run_config={"ops": {"clean_up_dagster": {"config": config}}}, raise_on_error=False
        )


def metadata_of(result: ExecuteInProcessResult) -> dict[str, str]:
    [output] = [event.step_output_data for event in result.all_events if event.event_type_value == "STEP_OUTPUT"]
    return {name: str(value.value) for name, value in output.metadata.items()}


def test_started_by_hand_the_job_only_plans(home: Path) -> None:
    before = run_ids(home)
    planned = metadata_of(clean_up_by_job(home, {}))
    assert "would be archived and removed" in planned["summary"]
    assert "| dailies | SUCCESS |" in planned["runs"]
    assert run_ids(home) > before


def test_the_clock_starts_the_real_thing_which_shows_storage_over_time(home: Path) -> None:
    job = cleanup_job(load_settings())
    [request] = cleanup_schedule(load_settings(), job).evaluate_tick(build_schedule_context()).run_requests or []
    with instance_at(home) as instance:
        done = metadata_of(job.execute_in_process(instance=instance, run_config=request.run_config))
    assert "archived and removed" in done["summary"]
    png = re.fullmatch(r"!\[storage over time\]\(data:image/png;base64,(.+)\)", done["storage over time"])
    assert png
    assert base64.b64decode(png[1]).startswith(b"\x89PNG")
