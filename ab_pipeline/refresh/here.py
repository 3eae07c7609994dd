"""A refresh in this process, for when no Dagster runs: it is recorded in the same place all the same."""

from __future__ import annotations

import threading
import uuid
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from dagster import DagsterInstance
from dagster._core.errors import DagsterRunNotFoundError

from ab_pipeline.automation.failures import EVENT_TYPES, run_alerts
from ab_pipeline.automation.raw_changes import REFRESH_JOB
from ab_pipeline.refresh.days import Days
from ab_pipeline.refresh.home import made
from ab_pipeline.refresh.run import SUCCESS, Standing, tags_of

_QUIETLY = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def opened(home: Path) -> DagsterInstance:
    """The instance of a DAGSTER_HOME, which is made if it is not there."""
    return DagsterInstance.from_config(str(made(home)))


@dataclass
class ThisProcess:
    """Runs go on a thread, one after the other."""

    instance: DagsterInstance
    _threads: dict[str, threading.Thread] = field(default_factory=dict)
    _ended: dict[str, Standing] = field(default_factory=dict)
    _num_of_assets: int = 0

    @property
    def place(self) -> str:
        """Which Dagster it is."""
        return "in this process: no Dagster runs with this DAGSTER_HOME"

    def start(self, days: Days) -> str:
        """Start a run; its id."""
        for thread in self._threads.values():
            thread.join()
        run_id = str(uuid.uuid4())
        # a process that is interrupted does not wait for it
        self._threads[run_id] = threading.Thread(target=self._execute, args=(run_id, days), daemon=True)
        self._threads[run_id].start()
        return run_id

    def standing(self, run_id: str) -> Standing:
        """How far it is."""
        if run_id in self._ended:
            return self._ended[run_id]
        try:
            built = self.instance.get_run_stats(run_id).materializations
            return Standing("STARTED", built, self._num_of_assets)
        except DagsterRunNotFoundError:
            return Standing("STARTING")

    def _execute(self, run_id: str, days: Days) -> None:
        try:
            # dbt tells all that it does
            with redirect_stdout(StringIO()):
                ended = self._executed(run_id, days)
        except Exception as error:
            ended = Standing("FAILURE", why=str(error).strip() or type(error).__name__)
        self._ended[run_id] = ended

    def _executed(self, run_id: str, days: Days) -> Standing:
        from ab_pipeline.definitions import defs

        job = defs.resolve_job_def(REFRESH_JOB)
        self._num_of_assets = len(list(job.asset_layer.executable_asset_keys))
        result = job.execute_in_process(
            instance=self.instance, run_id=run_id, tags=tags_of(days), run_config=_QUIETLY, raise_on_error=False
        )
        return Standing(SUCCESS) if result.success else Standing("FAILURE", why=self._why(run_id))

    def _why(self, run_id: str) -> str:
        """What the alert of it says."""
        from ab_pipeline.definitions import defs

        run = self.instance.get_run_by_id(run_id)
        assert run
        entries = self.instance.all_logs(run_id, of_type=EVENT_TYPES)
        events = [entry.dagster_event for entry in entries if entry.dagster_event]
        alerts = run_alerts(run, events, defs.resolve_asset_graph())
        return "\n".join("\n  ".join([alert.subject, *alert.error]) for alert in alerts)
