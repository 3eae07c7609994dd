"""The run launcher that `deploy/dagster.yaml` names: a run is forked from a warm process of its host.

A run that Dagster starts itself imports Dagster, dbt and the definitions anew, which takes longer than a day's refresh.
Whatever keeps a run from being forked is said in the run's log, and the run starts as Dagster would start it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dagster import DagsterInstance, DagsterRun, DefaultRunLauncher
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._core.remote_representation.code_location import GrpcServerCodeLocation
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._serdes import ConfigurableClassData

from ab_pipeline.warm_runs.channel import DETACHED, LOG, MODULE, Channel, TemplateError, call
from ab_pipeline.worker import WORKER_TAG, Worker

if TYPE_CHECKING:
    from dagster._grpc.client import DagsterGrpcClient

_PATIENCE = 10.0
_UNREACHABLE_SECONDS = 300.0
# a template that cannot be made is not tried again with every run
_SECONDS_BETWEEN_TRIES = 60.0


class WarmRunLauncher(DefaultRunLauncher):
    """Dagster's own launcher, but for how a run's process is made, ended and asked after."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._unreachable_since: dict[str, float] = {}

    def launch_run(self, context: LaunchRunContext) -> None:
        """Fork the run; or start it in the code server, and prepare for the next."""
        run = context.dagster_run
        try:
            self._fork(run, context)
        except TemplateError as error:
            self._say(run, f"The run is not forked from the warm process: {error}. It starts in the code server.")
            super().launch_run(context)

    def _fork(self, run: DagsterRun, context: LaunchRunContext) -> None:
        from dagster._grpc.types import ExecuteRunArgs
        from dagster._serdes import serialize_value

        from ab_pipeline.settings import SettingsError
        from ab_pipeline.warm_runs.fingerprint import inherited_environment

        origin = run.job_code_origin
        if origin is None or getattr(origin.repository_origin.code_pointer, "module", None) != MODULE:
            raise TemplateError(f"it is not of {MODULE}")
        home = Path(self._instance.root_directory)
        try:
            inherited = inherited_environment()
        except SettingsError as error:
            raise TemplateError(str(error)) from error
        arguments = ExecuteRunArgs(origin, run.run_id, self._instance.get_ref(), set_exit_code_on_failure=True)
        with _call_or_start(home) as template:
            template.say(
                {
                    "run": serialize_value(arguments),
                    "environment": dict(os.environ),
                    "inherited": inherited,
                    "server_id": _server_id(run, context),
                }
            )
            answer = template.hear()
            if "worker" not in answer:
                raise TemplateError(answer["refused"])
            # from here on the process is asked after; it begins when it hears that it may
            self._instance.add_run_tags(run.run_id, {WORKER_TAG: answer["worker"]})
            template.say({"begin": True})
        self._run_ids.add(run.run_id)

    def terminate(self, run_id: str) -> bool:
        """Interrupt the run, which then cancels what it does and says so."""
        run = self._instance.get_run_by_id(run_id)
        worker = _worker(run)
        if run is None or run.is_finished or worker is None or not worker.is_here or GRPC_INFO_TAG in run.tags:
            return super().terminate(run_id)
        self._instance.report_run_canceling(run)
        return worker.interrupt()

    @property
    def supports_check_run_worker_health(self) -> bool:
        """So that run monitoring asks after the runs that have started."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process is there: asked of this host, or of the code server that started it."""
        worker = _worker(run)
        if worker and worker.is_here:
            is_there, where = not worker.is_gone(), f"its process ({worker.tag})"
        else:
            client = self._get_grpc_client_for_termination(run.run_id)
            is_there = _is_running_in(client, run.run_id) if client else None
            where = worker.host if worker else "the code server that started it"
        if is_there is not None:
            self._unreachable_since.pop(run.run_id, None)
        elif time.monotonic() - self._unreachable_since.setdefault(run.run_id, time.monotonic()) < _UNREACHABLE_SECONDS:
            is_there = True
        if is_there:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        why = "ended without a word" if is_there is False else f"could not be asked for {_UNREACHABLE_SECONDS:.0f} s"
        return CheckRunHealthResult(WorkerStatus.FAILED, f"{where} {why}")

    def _say(self, run: DagsterRun, text: str) -> None:
        self._instance.report_engine_event(text, run, cls=type(self))


def keep_warm(instance: DagsterInstance) -> None:
    """Have a template ready for the next run, where this launcher is the instance's. It takes no time."""
    if not isinstance(instance.run_launcher, WarmRunLauncher):
        return
    with suppress(TemplateError), _call_or_start(Path(instance.root_directory)) as template:
        template.say({})
        template.hear()


def _call_or_start(home: Path) -> Channel:
    """A conversation with the template of this host.

    Raises:
        TemplateError: there is none. One has been started, for whoever comes next.
    """
    try:
        return call(home, _PATIENCE)
    except TemplateError:
        log = home / LOG
        with suppress(FileNotFoundError):
            if time.time() - log.stat().st_mtime < _SECONDS_BETWEEN_TRIES:
                raise TemplateError(f"there is none yet; {log} ends with {_last_line(log)!r}") from None
        with log.open("w") as output:
            subprocess.run(
                [sys.executable, "-m", "ab_pipeline.warm_runs", DETACHED],
                check=False,
                env={**os.environ, "DAGSTER_HOME": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        raise


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")


def _server_id(run: DagsterRun, context: LaunchRunContext) -> str | None:
    """Of a code server that others started: where Dagster's daemon starts one itself, it does so every minute."""
    origin = run.remote_job_origin
    if origin is None or context.workspace is None:
        return None
    place = origin.repository_origin.code_location_origin
    if not isinstance(place, GrpcServerCodeLocationOrigin):
        return None
    location = context.workspace.get_code_location(place.location_name)
    return location.server_id if isinstance(location, GrpcServerCodeLocation) else None


def _worker(run: DagsterRun | None) -> Worker | None:
    tag = run.tags.get(WORKER_TAG) if run else None
    return Worker.from_tag(tag) if tag else None


def _is_running_in(client: DagsterGrpcClient, run_id: str) -> bool | None:
    """Whether a code server still executes the run; None if it does not answer."""
    from dagster._grpc.types import GetCurrentRunsResult
    from dagster._serdes import deserialize_value

    try:
        return run_id in deserialize_value(client.get_current_runs(), GetCurrentRunsResult).current_runs
    except DagsterUserCodeUnreachableError:
        return None
