"""What a click in Dagster's UI asks of a running `dagster dev`: a backfill, jobs, a single check, through its queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from dagster_graphql import DagsterGraphQLClient

from ab_pipeline_tests.integration.running_dagster.dev import PATIENCE, dagster_dev
from ab_pipeline_tests.integration.running_dagster.project import (
    DAILY,
    DIMENSIONS,
    FIRST_DAY,
    LAST_DAY,
    SECOND_DAY,
    DagsterProject,
    days_of,
)

# of dagster_graphql's own call
pytestmark = [
    pytest.mark.says_the_same_on_redshift,
    pytest.mark.filterwarnings("ignore:Using variable_values:DeprecationWarning"),
]

DAILY_TABLE = "analytics_variant_user_daily"
CHECK = "unique_key_analytics_variant_user_daily_variant_id__user_id__datestamp"
ENDED = {"SUCCESS", "FAILURE", "CANCELED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "COMPLETED"}
BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}
"""
BACKFILL_STATUS = """
query($id: String!) {
  partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status error { message } } }
}
"""
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}
"""


@pytest.fixture
def client(fresh: DagsterProject) -> Iterator[DagsterGraphQLClient]:
    with dagster_dev(fresh) as dev:
        yield dev.client


def until_ended(status: Callable[[], str]) -> str:
    deadline = time.monotonic() + PATIENCE
    while (now := status()) not in ENDED:
        assert time.monotonic() < deadline, now
        time.sleep(0.3)
    return now


def test_a_running_dagster(fresh: DagsterProject, client: DagsterGraphQLClient) -> None:
    """One story, since starting it takes longer than all that happens in it."""
    days = (FIRST_DAY, SECOND_DAY, LAST_DAY)
    backfill_id = backfill(client, DIMENSIONS | DAILY, *days)
    # of its own runs: a sensor may have requested others
    assert fresh.materialized({"dagster/backfill": backfill_id}) == days_of(DIMENSIONS, None) | days_of(DAILY, *days)
    assert CHECK in fresh.checked()
    assert fresh.is_as_mandated()

    # two runs are queued at once, and never write at once
    for day in (FIRST_DAY, SECOND_DAY):
        fresh.execute(f"insert into raw_data.user_event values (1, timestamp '{day}', 9, 0, 0, 1)")
    fresh.execute("update raw_data.user_metadata set age = 'older' where user_id = 1")
    jobs = [client.submit_job_execution("refresh", tags={"dagster/partition": day}) for day in (FIRST_DAY, SECOND_DAY)]
    assert [until_ended(lambda job=job: client.get_run_status(job).value) for job in jobs] == ["SUCCESS", "SUCCESS"]
    assert fresh.is_as_mandated()

    # a check alone, of a table that someone has spoiled
    fresh.execute(f"insert into analytics.{DAILY_TABLE} select * from analytics.{DAILY_TABLE} limit 1")
    run_check(client)
    assert not fresh.checked()[CHECK]


def backfill(client: DagsterGraphQLClient, assets: set[str], *days: str) -> str:
    """The id of a backfill that has succeeded."""
    params = {"assetSelection": [{"path": [name]} for name in sorted(assets)], "partitionNames": days}
    launched = client._execute(BACKFILL, {"params": params})["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def status() -> str:
        return client._execute(BACKFILL_STATUS, {"id": launched["backfillId"]})["partitionBackfillOrError"]["status"]

    assert until_ended(status) == "COMPLETED_SUCCESS"
    return launched["backfillId"]


def run_check(client: DagsterGraphQLClient) -> None:
    selector = {
        "repositoryLocationName": "ab_pipeline.definitions",
        "repositoryName": "__repository__",
        "jobName": "__ASSET_JOB",
        "assetSelection": [],
        "assetCheckSelection": [{"assetKey": {"path": [DAILY_TABLE]}, "name": CHECK}],
    }
    launched = client._execute(LAUNCH, {"params": {"selector": selector, "mode": "default", "runConfigData": {}}})
    assert launched["launchRun"]["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["launchRun"]["run"]["runId"]
    until_ended(lambda: client.get_run_status(run_id).value)
