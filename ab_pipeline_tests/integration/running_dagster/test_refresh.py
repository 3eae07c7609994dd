"""`ab-pipeline refresh`: days by name, in its own process or through the Dagster that runs, with the run's result."""

from __future__ import annotations

import pytest
from dagster import DagsterRunStatus

from ab_pipeline_tests.integration.running_dagster.dev import dagster_dev
from ab_pipeline_tests.integration.running_dagster.project import LAST_DAY, SECOND_DAY, DagsterProject

pytestmark = [
    pytest.mark.says_the_same_on_redshift,
    pytest.mark.filterwarnings("ignore:Using variable_values:DeprecationWarning"),
]
REFRESH = ("ab-pipeline", "refresh")


def refusal(project: DagsterProject, *arguments: str) -> str:
    """What it prints when it fails."""
    process = project.start(*REFRESH, *arguments)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    return output


def a_day_is_corrected(project: DagsterProject, day: str) -> None:
    project.execute(f"update raw_data.user_event set paidamount = 7 where cast(datestamp as date) = '{day}'")


def test_what_is_due_is_built_in_this_process_where_no_dagster_runs_and_then_nothing_is(built: DagsterProject) -> None:
    a_day_is_corrected(built, SECOND_DAY)
    said = built.run(*REFRESH)
    assert f"refresh {SECOND_DAY}, in this process: no Dagster runs with this DAGSTER_HOME" in said
    assert f"{SECOND_DAY}: refreshed, run " in said
    assert "START" not in said, "what dbt says is not a person's matter"
    assert built.is_as_mandated()
    assert built.statuses() == [DagsterRunStatus.SUCCESS]
    assert "Nothing is due" in built.run(*REFRESH)


def test_a_run_that_fails_is_the_exit_code_and_names_what_failed(built: DagsterProject) -> None:
    built.execute("alter table analytics.fact_user_event drop column clicked")
    said = refusal(built, f"{SECOND_DAY}..{LAST_DAY}")
    assert f"{SECOND_DAY} to {LAST_DAY}: run " in said
    assert "ended as FAILURE\nfact_user_event\n" in said


def test_days_that_no_run_can_build_are_refused_before_anything_runs(built: DagsterProject) -> None:
    assert "2020-01-01 is no partition (2025-01-01 to " in refusal(built, "2020-01-01")
    assert "is before the first" in refusal(built, f"{LAST_DAY}..{SECOND_DAY}")
    assert built.statuses() == []


def test_through_a_running_dagster_the_run_waits_in_its_queue_like_any_other(built: DagsterProject) -> None:
    with dagster_dev(built):
        said = built.run(*REFRESH, SECOND_DAY)
        assert f"refresh {SECOND_DAY}, through the Dagster at http://127.0.0.1:" in said
        assert f"{SECOND_DAY}: refreshed, run " in said
        built.execute("alter table analytics.fact_user_event drop column clicked")
        assert "fact_user_event\n" in refusal(built, SECOND_DAY)
