"""Small assets that fail as real ones do, and a stand-in for Slack."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    Config,
    DagsterInstance,
    DailyPartitionsDefinition,
    Definitions,
    RunConfig,
    asset,
    asset_check,
    define_asset_job,
    in_process_executor,
)

from ab_pipeline_tests.http_server import Asked, http_server

DAYS = DailyPartitionsDefinition("2025-01-01")


class Error(Config):
    message: str = ""


class FailedCheck(Config):
    severity: str = ""


@asset(owners=["team:experimentation"], partitions_def=DAYS)
def revenue(config: Error) -> None:
    if config.message:
        raise RuntimeError(config.message)


@asset_check(asset=revenue)
def is_positive(config: FailedCheck) -> AssetCheckResult:
    return AssetCheckResult(
        passed=not config.severity,
        severity=AssetCheckSeverity(config.severity or "ERROR"),
        description="some of it is negative",
        metadata={"dagster_dbt/failed_row_count": 1234},
    )


DEFINITIONS = Definitions(
    assets=[revenue], asset_checks=[is_positive], jobs=[define_asset_job("refresh")], executor=in_process_executor
)


def run_refresh(instance: DagsterInstance, *, error: str = "", failed_check: str = "", day: str = "2025-01-02") -> str:
    """The id of a run whose asset raises the error, or else whose check fails with the severity."""
    ops = {"revenue": Error(message=error), "revenue_is_positive": FailedCheck(severity=failed_check)}
    job = DEFINITIONS.resolve_job_def("refresh")
    return job.execute_in_process(
        run_config=RunConfig(ops=ops), instance=instance, partition_key=day, raise_on_error=False
    ).run_id


@dataclass
class SlackStandIn:
    """What was posted. While `refusal` is set nothing is accepted."""

    url: str = ""
    refusal: str = ""
    requests: int = 0
    posts: list[dict[str, str]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    @property
    def texts(self) -> list[str]:
        return [post["text"] for post in self.posts]


@contextmanager
def slack_stand_in() -> Iterator[SlackStandIn]:
    """An HTTP server that speaks chat.postMessage."""
    slack = SlackStandIn()

    def answer(asked: Asked) -> tuple[int, bytes]:
        body = asked.body.decode()
        slack.requests += 1
        is_json = asked.headers["Content-Type"].startswith("application/json")
        post = json.loads(body) if is_json else {key: value[0] for key, value in parse_qs(body).items()}
        if asked.path != "/api/chat.postMessage":
            said = {"ok": False, "error": "unknown_method"}
        elif slack.refusal:
            said = {"ok": False, "error": slack.refusal}
        else:
            slack.posts.append(post)
            slack.tokens.add(asked.headers["Authorization"])
            said = {"ok": True, "ts": "1.0"}
        return 200, json.dumps(said).encode()

    with http_server(answer) as url:
        slack.url = f"{url}/api/"
        yield slack
