"""Dagster's daemon and run workers, acted out on a real instance: ticks request runs, which are executed or killed."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

from dagster import (
    AssetsDefinition,
    AssetSelection,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    JobDefinition,
    RunRequest,
    RunsFilter,
    SensorResult,
    define_asset_job,
    in_process_executor,
)
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.events import EngineEventData
from dagster._core.execution.api import execute_run
from dagster._core.storage.tags import RUN_KEY_TAG, SENSOR_NAME_TAG
from dagster._core.test_utils import create_run_for_test

from ab_pipeline.assets.dbt import warehouse_assets
from ab_pipeline.assets.translator import AbPipelineTranslator
from ab_pipeline.automation.raw_changes import RAW_CHANGES, REFRESH_JOB, Decision, RawChanges
from ab_pipeline.automation.runs import days_in_flight, days_of
from ab_pipeline.automation.turns import Turns
from ab_pipeline.dbt.api import forget_warehouse
from ab_pipeline.dbt.project import load_lineage, load_project
from ab_pipeline.partitions import daily_partitions
from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.connect import warehouse_of

_SENSOR = {SENSOR_NAME_TAG: RAW_CHANGES}
_workers = multiprocessing.get_context("forkserver")
_workers.set_forkserver_preload(["ab_pipeline_tests.daemon", "dbt.cli.main", "dbt.adapters.duckdb"])


def open_instance(home: Path) -> DagsterInstance:
    """An instance with the storage and the limits of a real one."""
    home.mkdir(exist_ok=True)
    shutil.copy(PROJECT_ROOT / "deploy" / "dagster.yaml", home / "dagster.yaml")
    return DagsterInstance.from_config(str(home))


@dataclass
class Daemon:
    """One code location and its runs. Time is what `now` says, and moves on only when asked."""

    settings: Settings
    instance: DagsterInstance
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    cursor: str | None = None

    @classmethod
    def of_environment(cls, instance: DagsterInstance) -> Self:
        """With the settings in the environment."""
        return cls(Settings(), instance)

    @cached_property
    def assets(self) -> AssetsDefinition:
        """What dbt builds."""
        project = load_project(self.settings)
        manifest = json.loads(project.manifest_path.read_bytes())
        translator = AbPipelineTranslator(daily_partitions(self.settings))
        identify = warehouse_of(self.settings).identity
        return warehouse_assets(project, manifest, translator, load_lineage(project), identify=identify)

    @cached_property
    def changes(self) -> RawChanges:
        """The sensor's own part."""
        return RawChanges(self.settings, warehouse_of(self.settings), [self.assets], Turns())

    @cached_property
    def _job(self) -> JobDefinition:
        job = define_asset_job(REFRESH_JOB, AssetSelection.all())
        return Definitions(assets=[self.assets], jobs=[job], executor=in_process_executor).resolve_job_def(REFRESH_JOB)

    def evaluate(self) -> SensorResult:
        """What the sensor says, before anything comes of it."""
        return self.changes.tick(self.instance, self.cursor, self.now)

    def tick(self) -> list[DagsterRun]:
        """The runs that one tick of the sensor creates."""
        result = self.evaluate()
        runs = self.submit(result.run_requests or [])
        self.cursor = result.cursor
        return runs

    def evaluate_sweep(self) -> Decision:
        """What the nightly comparison of every day says."""
        return self.changes.sweep(self.instance, self.now)

    def sweep(self) -> list[DagsterRun]:
        """The runs that the nightly comparison of every day creates."""
        return self.submit(self.evaluate_sweep().requests)

    def submit(self, requests: Iterable[RunRequest]) -> list[DagsterRun]:
        """A request whose run key exists creates no run. A day that is in flight must not be requested."""
        created = []
        for request in requests:
            tags = {**request.tags, **_SENSOR, RUN_KEY_TAG: str(request.run_key)}
            if self.instance.get_runs(RunsFilter(tags={RUN_KEY_TAG: str(request.run_key)})):
                continue
            in_flight = days_in_flight(self.instance).keys()
            selection, checks = frozenset(request.asset_selection or ()), frozenset(request.asset_check_keys or ())
            with partition_loading_context(self.now):
                job = self._job.get_subset(asset_selection=selection, asset_check_selection=checks)
                run = create_run_for_test(
                    self.instance,
                    REFRESH_JOB,
                    tags=tags,
                    asset_selection=selection,
                    asset_check_selection=checks,
                    job_snapshot=job.get_job_snapshot(),
                    asset_graph=job.asset_layer.asset_graph,
                )
            assert in_flight.isdisjoint(days_of(run)), f"{request.run_key} is in flight: {sorted(in_flight)}"
            created.append(run)
        return created

    def waiting_runs(self) -> list[DagsterRun]:
        """Those that nothing has executed yet, oldest first."""
        return list(reversed(self.instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.NOT_STARTED]))))

    def execute(self, run: DagsterRun) -> bool:
        """Whether the run succeeded, here and now."""
        subset = self._job.get_subset(
            asset_selection=run.asset_selection, asset_check_selection=run.asset_check_selection
        )
        job = InMemoryJob(subset)
        try:
            with warnings.catch_warnings(), partition_loading_context(self.now):
                # dagster-dbt uses what dagster deprecates; a run's own process does not turn warnings into errors
                warnings.simplefilter("ignore", DeprecationWarning)
                return execute_run(job, run, self.instance, raise_on_error=False).success
        finally:
            forget_warehouse()

    def start(self, run: DagsterRun) -> BaseProcess:
        """A process that executes the run, as the run launcher would start it."""
        home = Path(self.instance.root_directory)
        process = _workers.Process(target=_work, args=(home, self.settings.dbt_environment(), run.run_id, self.now))
        process.start()
        return process

    def is_settled(self) -> bool:
        """Whether no tick would ever request anything, unless something changes."""
        if self.waiting_runs() or days_in_flight(self.instance):
            return False
        decision = self.evaluate_sweep()
        return not decision.requests and decision.oldest is None


def days(runs: Iterable[DagsterRun]) -> list[date]:
    """Every day of the runs, as often as it is built."""
    return sorted(day for run in runs for day in days_of(run))


def _work(home: Path, environment: dict[str, str], run_id: str, now: datetime) -> None:
    os.environ.update(environment)
    with DagsterInstance.from_config(str(home)) as instance:
        daemon = Daemon(Settings(), instance, now)
        run = instance.get_run_by_id(run_id)
        assert run
        # as `dagster api execute_run` does before all else
        event = EngineEventData.in_process(os.getpid())
        instance.report_engine_event(f"Started process for run (pid: {os.getpid()}).", run, event)
        daemon.execute(run)
