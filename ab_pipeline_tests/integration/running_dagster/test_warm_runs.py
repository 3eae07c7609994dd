"""Runs that are forked from the warm process of their host: started, ended, killed, and what if they cannot be."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import psutil
import pytest
from dagster import AssetKey, DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.launcher.base import WorkerStatus
from dagster._core.test_utils import create_run_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget
from dagster._grpc.server import GrpcServerProcess

from ab_pipeline.automation.lost_runs import fail_lost_runs
from ab_pipeline.paths import PROJECT_DIR
from ab_pipeline.warm_runs.channel import LOCK, MODULE, TemplateError, call
from ab_pipeline.warm_runs.launcher import WarmRunLauncher, keep_warm
from ab_pipeline.worker import WORKER_TAG, Worker
from ab_pipeline_tests.integration.duckdb_only import duckdb_only
from ab_pipeline_tests.integration.running_dagster.dev import until
from ab_pipeline_tests.integration.running_dagster.project import DAILY, LAST_DAY, DagsterProject

pytestmark = [duckdb_only, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


class Host:
    """A Dagster without a daemon: what it would launch is launched here."""

    def __init__(self, project: DagsterProject, instance: DagsterInstance, workspace: WorkspaceProcessContext) -> None:
        self.home = project.home
        self.instance = instance
        self.workspace = workspace
        assert isinstance(instance.run_launcher, WarmRunLauncher)
        self.launcher = instance.run_launcher

    def launch(self) -> str:
        """The id of a run of one day that has been launched."""
        context = self.workspace.create_request_context()
        job = context.get_code_location(MODULE).get_repository("__repository__").get_full_job("refresh")
        run = create_run_for_test(
            self.instance,
            "refresh",
            tags={"dagster/partition": LAST_DAY},
            asset_selection=frozenset(AssetKey(name) for name in DAILY),
            remote_job_origin=job.get_remote_origin(),
            job_code_origin=job.get_python_origin(),
        )
        self.instance.launch_run(run.run_id, context)
        return run.run_id

    def ended(self, run_id: str) -> DagsterRunStatus:
        return until(lambda: run.status if (run := self.instance.get_run_by_id(run_id)) and run.is_finished else None)

    def said(self, run_id: str) -> str:
        """What the launcher told about the run."""
        entries = self.instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT)
        return "\n".join(entry.message for entry in entries if "warm process" in entry.message)

    def worker(self, run_id: str) -> Worker | None:
        run = self.instance.get_run_by_id(run_id)
        tag = run.tags.get(WORKER_TAG) if run else None
        return Worker.from_tag(tag) if tag else None

    def template(self) -> psutil.Process | None:
        """The process that holds the lock, once it listens."""
        with suppress(TemplateError):
            call(self.home, 1).close()
            for process in psutil.process_iter(["cmdline"]):
                if "ab_pipeline.warm_runs" in (process.info["cmdline"] or []):
                    with suppress(psutil.Error):
                        if any(file.path == str(self.home / LOCK) for file in process.open_files()):
                            return process
        return None


@pytest.fixture
def host(built: DagsterProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("DAGSTER_HOME", str(built.home))
    origin = LoadableTargetOrigin(executable_path=sys.executable, module_name=MODULE)
    with ExitStack() as stack:
        instance = stack.enter_context(built.instance())
        server = GrpcServerProcess(
            instance.get_ref(), loadable_target_origin=origin, startup_timeout=180, wait_on_exit=True
        )
        stack.enter_context(server)
        target = GrpcServerTarget("localhost", server.port, server.socket, MODULE)
        workspace = stack.enter_context(WorkspaceProcessContext(instance, target))
        host = Host(built, instance, workspace)
        yield host
        if template := host.template():
            template.kill()


def test_runs_of_a_warm_host(host: Host) -> None:
    """One story, since a template takes longer to make than all that happens in it."""
    # nobody waits for the first template
    first = host.launch()
    assert "none runs on this host. It starts in the code server." in host.said(first)
    assert host.ended(first) == DagsterRunStatus.SUCCESS
    template = until(host.template)

    forked = host.launch()
    assert host.said(forked) == ""
    assert host.ended(forked) == DagsterRunStatus.SUCCESS
    worker = host.worker(forked)
    assert worker
    until(worker.is_gone)
    until(lambda: all(child.status() != psutil.STATUS_ZOMBIE for child in template.children()))
    assert template.num_threads() == 1

    # from the web server or anywhere else on the host
    ended = host.launch()
    assert host.launcher.check_run_worker_health(run_of(host, ended)).status == WorkerStatus.RUNNING
    until(lambda: run_of(host, ended).status == DagsterRunStatus.STARTED)
    assert host.launcher.terminate(ended)
    assert host.ended(ended) == DagsterRunStatus.CANCELED

    # one that has not begun cannot say itself that it never will
    unbegun = host.launch()
    assert host.launcher.terminate(unbegun)
    until(lambda: fail_lost_runs(host.instance) or run_of(host, unbegun).is_finished)
    assert host.ended(unbegun) == DagsterRunStatus.CANCELED

    killed = host.launch()
    os.kill(until(lambda: host.worker(killed)).pid, signal.SIGKILL)
    until(lambda: host.launcher.check_run_worker_health(run_of(host, killed)).status == WorkerStatus.FAILED)

    # a run outlives its template; the next one waits for none
    outliving = host.launch()
    template.kill()
    assert host.ended(outliving) == DagsterRunStatus.SUCCESS
    until(lambda: host.template() is None or None)


def test_a_template_that_hangs_or_is_outdated_costs_time_and_no_run(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_warm(host.instance)
    template = until(host.template)

    monkeypatch.setattr("ab_pipeline.warm_runs.launcher._PATIENCE", 0.5)
    template.suspend()
    hanging = host.launch()
    assert "no answer within" in host.said(hanging)
    template.resume()
    assert host.ended(hanging) == DagsterRunStatus.SUCCESS
    starts = [entry for entry in host.instance.all_logs(hanging) if "Started process for run" in entry.message]
    assert len(starts) == 1

    monkeypatch.setattr("ab_pipeline.warm_runs.launcher._PATIENCE", 10)
    monkeypatch.setenv("AB_PIPELINE_LOOKBACK_DAYS", "2")
    outdated = host.launch()
    assert "the environment is different (AB_PIPELINE_LOOKBACK_DAYS)" in host.said(outdated)
    assert host.ended(outdated) == DagsterRunStatus.SUCCESS
    until(lambda: host.template() or None)
    assert host.said(host.launch()) == ""


@dataclass(frozen=True)
class Footprint:
    """What a template and its runs take of their host."""

    megabytes: float
    zombies: int
    descriptors: int
    target_megabytes: float

    @classmethod
    def of(cls, template: psutil.Process) -> Footprint:
        files = [file.stat().st_size for file in (PROJECT_DIR / "target").rglob("*") if file.is_file()]
        children = [child.status() for child in template.children()]
        return cls(
            template.memory_info().rss / 1e6, children.count(psutil.STATUS_ZOMBIE), template.num_fds(), sum(files) / 1e6
        )


@pytest.mark.thorough
def test_two_hundred_runs_of_which_twenty_are_killed_leave_the_host_as_it_was(host: Host) -> None:
    keep_warm(host.instance)
    template = until(host.template)

    def launch(is_killed: bool) -> None:
        run_id = host.launch()
        assert host.said(run_id) == ""
        worker = until(lambda: host.worker(run_id))
        if is_killed:
            os.kill(worker.pid, signal.SIGKILL)
        until(worker.is_gone)
        fail_lost_runs(host.instance)
        assert run_of(host, run_id).is_success != is_killed

    for number in range(20):
        launch(is_killed=number % 10 == 9)
    before = Footprint.of(template)
    for number in range(180):
        launch(is_killed=number % 10 == 9)
    # the last one is waited for in a moment
    until(lambda: Footprint.of(template).zombies == 0)
    after = Footprint.of(template)

    assert template.is_running()
    assert after.descriptors <= before.descriptors
    assert after.megabytes < before.megabytes + 10
    assert after.target_megabytes < before.target_megabytes + 1


def run_of(host: Host, run_id: str) -> DagsterRun:
    run = host.instance.get_run_by_id(run_id)
    assert run
    return run
