"""A refresh through a Dagster that runs, over GraphQL; also through the login of `ab-pipeline serve`, by token."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError

from ab_pipeline.automation.raw_changes import REFRESH_JOB
from ab_pipeline.dbt.error_text import node_errors, without_ansi
from ab_pipeline.maintenance.running import home_of
from ab_pipeline.refresh.days import Days, RefreshError
from ab_pipeline.refresh.run import Standing, tags_of
from ab_pipeline.settings import Settings
from ab_pipeline.worker import DATABASE_TAG

_SECONDS = 30
_JOBS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name tags { key value } } } } } }"
_STANDING = """
    query Standing($run: ID!) {
        runOrError(runId: $run) {
            ... on Run { status assetSelection { path } stats { ... on RunStatsSnapshot { materializations } } }
            ... on RunNotFoundError { message }
        }
    }
"""
_WHY = """
    query Why($run: ID!) {
        logsForRun(runId: $run) {
            ... on EventConnection {
                events {
                    ... on ExecutionStepFailureEvent { error { message causes { message } } }
                    ... on RunFailureEvent { message }
                }
            }
        }
    }
"""
# what starts a web server of Dagster's: by itself, below `dagster dev`, and with a login
_SERVERS = ("dagster_webserver", "dagster-webserver", "ab-pipeline serve")


@dataclass(frozen=True)
class RunningDagster:
    """A web server that answers."""

    url: str
    client: DagsterGraphQLClient

    @property
    def place(self) -> str:
        """Which Dagster it is."""
        return f"through the Dagster at {self.url}"

    def start(self, days: Days) -> str:
        """Queue a run; its id.

        Raises:
            RefreshError: it was refused.
        """
        try:
            return self.client.submit_job_execution(REFRESH_JOB, tags=tags_of(days))
        except DagsterGraphQLClientError as error:
            raise self._refused(error) from error

    def standing(self, run_id: str) -> Standing:
        """How far the run is.

        Raises:
            RefreshError: nobody answers, or the run was removed.
        """
        found = self._ask(_STANDING, run=run_id)["runOrError"]
        if "status" not in found:
            raise RefreshError(f"run {run_id} is gone: {found.get('message', '')}")
        built = (found.get("stats") or {}).get("materializations") or 0
        assets = len(found.get("assetSelection") or found.get("assets") or [])
        why = self._why(run_id) if found["status"] == "FAILURE" else ""
        return Standing(found["status"], built, assets, why)

    def databases(self) -> set[str]:
        """The names of those that it builds."""
        nodes = self._ask(_JOBS)["repositoriesOrError"].get("nodes", [])
        jobs = (job for node in nodes for job in node["jobs"] if job["name"] == REFRESH_JOB)
        return {tag["value"] for job in jobs for tag in job["tags"] if tag["key"] == DATABASE_TAG}

    def _why(self, run_id: str) -> str:
        messages = []
        for event in self._ask(_WHY, run=run_id)["logsForRun"].get("events", []):
            error = event.get("error")
            # Dagster wraps what was raised first in errors of its own
            chain = [error["message"], *(cause["message"] for cause in error["causes"])] if error else []
            messages += [_in_short(chain[-1])] if chain else []
        return "\n".join(dict.fromkeys(messages))

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        try:
            return self.client._execute(query, variables)
        except DagsterGraphQLClientError as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> RefreshError:
        text = " ".join(str(error).split())
        if "401" in text or "303" in text or "login" in text.lower():
            return RefreshError(
                f"{self.url} wants a login: set AB_PIPELINE_TOKEN to what `ab-pipeline tokens create NAME --role"
                " launcher` prints"
            )
        return RefreshError(f"{self.url} refused: {text}")


def _in_short(message: str) -> str:
    """What failed of a build, without the command that dagster-dbt puts before it."""
    nodes = node_errors(message)
    if nodes:
        return "\n".join("\n  ".join([node.name, *node.lines]) for node in nodes)
    return without_ansi(message).partition("Errors parsed from dbt logs:")[2].strip() or message.strip()


def running_dagster(settings: Settings, home: Path) -> RunningDagster | None:
    """With a token the one at AB_PIPELINE_DAGSTER_URL; else one of this machine with the same DAGSTER_HOME, if any.

    Raises:
        RefreshError: it does not answer, or builds another database.
    """
    if settings.token:
        found = _connected(settings.dagster_url, settings.token.get_secret_value())
        # whether it lets this token in
        found.databases()
        return found
    for port in _ports(home):
        found = _connected(f"http://127.0.0.1:{port}")
        others = found.databases() - {settings.place}
        if others:
            raise RefreshError(
                f"{found.url} runs with the same DAGSTER_HOME ({home}) and builds {', '.join(sorted(others))}, not"
                f" {settings.place}: end it, or give each database a DAGSTER_HOME of its own"
            )
        return found
    return None


def _connected(url: str, token: str = "") -> RunningDagster:
    parts = urlsplit(url)
    headers = {"Authorization": f"Bearer {token}"} if token else None
    try:
        client = DagsterGraphQLClient(
            parts.hostname or "",
            port_number=parts.port,
            use_https=parts.scheme == "https",
            timeout=_SECONDS,
            headers=headers,
        )
        return RunningDagster(url, client)
    except (OSError, DagsterGraphQLClientError) as error:
        raise RefreshError(f"{url} does not answer: {' '.join(str(error).split())}") from error


def _ports(home: Path) -> list[int]:
    """Where web servers of this machine that have the DAGSTER_HOME listen."""
    ports = []
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if not any(name in command for name in _SERVERS):
            continue
        try:
            if home_of(process) == home:
                listening = [one for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
                ports += [one.laddr.port for one in listening]
        except (psutil.Error, OSError):  # of another user, or gone
            continue
    return sorted(set(ports))
