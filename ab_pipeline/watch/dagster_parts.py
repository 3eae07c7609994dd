"""What Dagster's metadata tells: the daemon, sensors, schedules, code servers, runs, days due, builds."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dagster import DagsterRunStatus, RunsFilter
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickStatus,
)
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.schedules import schedule_execution_time_iterator

from ab_pipeline.automation.memory import remembered
from ab_pipeline.automation.raw_changes import RAW_CHANGES
from ab_pipeline.health.daemon import beats_of
from ab_pipeline.health.heartbeats import SILENT_SECONDS, Daemons, silent, tolerance
from ab_pipeline.health.ticks import last_words, newest_tick
from ab_pipeline.settings import Settings
from ab_pipeline.watch.metadata import Metadata
from ab_pipeline.watch.part import Sample, Seen, utc

_LATE_SECONDS = 300.0
_INTERVALS = 10
_WAITING_SECONDS = 3600.0
_DUE_SECONDS = 2 * 3600.0


@dataclass
class DagsterParts:
    """Each method is a look."""

    metadata: Metadata
    settings: Settings
    workspace: Path
    _daemons: Daemons = field(default_factory=Daemons)

    def daemon(self) -> Seen:
        """Whether each of its kinds beats, and whether one process alone does."""
        now = time.time()
        beats, required = beats_of(self.metadata.instance)
        self._daemons.see(beats, now)
        samples = [Sample("daemon_heartbeat_timestamp_seconds", beat.at, {"daemon": beat.kind}) for beat in beats]
        problems = []
        if quiet := silent(beats, required, now, tolerance(SILENT_SECONDS)):
            said = ", ".join(
                f"{kind} {f'since {utc(at)}' if at is not None else 'since ever'}" for kind, at in quiet.items()
            )
            problems.append(f"Dagster's daemon is silent: {said}")
        if len(several := self._daemons.at_once(now)) > 1:
            problems.append(
                f"{len(several)} daemons work at once: end all but one, or start them by `ab-pipeline daemon`"
            )
        problems += [f"{beat.kind} fails: {beat.errors[0][:200]}" for beat in beats if beat.errors]
        return Seen(f"{len(beats)} kinds beat", "; ".join(problems) or None, samples)

    def sensors(self) -> Seen:
        """Whether each has looked lately, and well."""
        now, samples, problems, stopped = time.time(), [], [], []
        for state in self._states(InstigatorType.SENSOR):
            name, data = state.instigator_name, state.instigator_data
            if state.status == InstigatorStatus.STOPPED:
                stopped.append(name)
                continue
            newest = newest_tick(self.metadata.instance, state)
            if newest is None or not isinstance(data, SensorInstigatorData):
                continue
            looked = newest.end_timestamp or newest.timestamp
            is_failed = newest.status == TickStatus.FAILURE
            samples += [
                Sample("sensor_tick_timestamp_seconds", looked, {"sensor": name}),
                Sample("sensor_tick_failed", float(is_failed), {"sensor": name}),
            ]
            if now - looked > max(_LATE_SECONDS, _INTERVALS * (data.min_interval or 0)):
                problems.append(f"{name} has not looked since {utc(looked)}")
            elif is_failed:
                problems.append(f"{name} fails: {_error(newest)}")
        return _seen(problems, f"{len(samples) // 2} sensors look", stopped, samples)

    def schedules(self) -> Seen:
        """Whether each came when it was due, in its own time zone."""
        now, samples, problems, stopped = time.time(), [], [], []
        for state in self._states(InstigatorType.SCHEDULE):
            name, data = state.instigator_name, state.instigator_data
            if state.status == InstigatorStatus.STOPPED:
                stopped.append(name)
                continue
            newest = newest_tick(self.metadata.instance, state)
            if not isinstance(data, ScheduleInstigatorData):
                continue
            last = newest.timestamp if newest else data.start_timestamp
            if last is None:
                continue
            due = next(schedule_execution_time_iterator(last + 1, data.cron_schedule, self.settings.timezone))
            samples.append(Sample("schedule_due_timestamp_seconds", due.timestamp(), {"schedule": name}))
            if now - due.timestamp() > _LATE_SECONDS:
                problems.append(f"{name} was due at {utc(due.timestamp())} and did not start")
            elif newest and newest.status == TickStatus.FAILURE:
                problems.append(f"{name} failed: {_error(newest)}")
        return _seen(problems, f"{len(samples)} schedules are on time", stopped, samples)

    def code(self) -> Seen:
        """Whether code servers of the workspace answer. One that the daemon starts itself is told of by its sensors."""
        origins = WorkspaceFileTarget([str(self.workspace)]).create_origins()
        problems = []
        for origin in origins:
            if isinstance(origin, GrpcServerCodeLocationOrigin):
                try:
                    origin.create_client().list_repositories()
                except Exception as error:  # of gRPC, or of the code itself
                    problems.append(f"{origin.location_name}: {' '.join(str(error).split())[:200]}")
        return Seen(f"{len(origins)} code locations", "; ".join(problems) or None)

    def runs(self) -> Seen:
        """Whether none waits for too long."""
        instance, now = self.metadata.instance, time.time()
        samples = [
            Sample("runs", instance.get_runs_count(RunsFilter(statuses=[status])), {"status": status.value})
            for status in NOT_FINISHED_STATUSES
        ]
        waiting = RunsFilter(statuses=[DagsterRunStatus.QUEUED])
        oldest = instance.get_run_records(waiting, limit=1, ascending=True)
        problem = None
        if oldest:
            since = oldest[0].create_timestamp.timestamp()
            samples.append(Sample("queued_since_timestamp_seconds", since))
            if now - since > _WAITING_SECONDS:
                problem = f"run {oldest[0].dagster_run.run_id[:8]} has waited since {utc(since)}"
        going = sum(int(sample.value) for sample in samples if sample.name == "runs")
        return Seen(f"{going} runs wait or work", problem, samples)

    def due(self) -> Seen:
        """Whether what changed is built within two hours: as the sensor's newest look wrote it down."""
        for state in self._states(InstigatorType.SENSOR):
            data = state.instigator_data
            if state.instigator_name != RAW_CHANGES or not isinstance(data, SensorInstigatorData):
                continue
            memory = remembered(data.cursor)
            if memory is None:
                break
            samples = [Sample("partitions_due", len(memory.due))]
            if memory.newest:
                samples.append(Sample("newest_raw_day_timestamp_seconds", _midnight(memory.newest)))
            if memory.due_since:
                samples.append(Sample("partitions_due_since_timestamp_seconds", memory.due_since.timestamp()))
                if time.time() - memory.due_since.timestamp() > _DUE_SECONDS:
                    problem = (
                        f"{len(memory.due)} days are due, the first of them since {memory.due_since:%Y-%m-%d %H:%M} UTC"
                    )
                    return Seen("", problem, samples)
            return Seen(f"{len(memory.due)} days are due", None, samples)
        return Seen("the sensor has not looked yet")

    def built(self) -> Seen:
        """When each asset was last built. A table whose raw rows do not change may be old."""
        instance = self.metadata.instance
        records = instance.get_asset_records(list(instance.get_asset_keys()))
        samples = [
            Sample(
                "asset_built_timestamp_seconds",
                record.asset_entry.last_materialization.timestamp,
                {"asset": record.asset_entry.asset_key.to_user_string()},
            )
            for record in records
            if record.asset_entry.last_materialization
        ]
        newest = max((sample.value for sample in samples), default=None)
        return Seen(f"the newest build is of {utc(newest)}" if newest else "nothing is built yet", None, samples)

    def _states(self, kind: InstigatorType) -> Iterator[InstigatorState]:
        yield from self.metadata.instance.all_instigator_state(instigator_type=kind)


def is_running(metadata: Metadata, schedule: str) -> bool | None:
    """Whether a schedule is switched on; None if Dagster does not know it."""
    for state in metadata.instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE):
        if state.instigator_name == schedule:
            return state.status != InstigatorStatus.STOPPED
    return None


def _seen(problems: list[str], says: str, stopped: list[str], samples: list[Sample]) -> Seen:
    off = f"; switched off: {', '.join(sorted(stopped))}" if stopped else ""
    return Seen(f"{says}{off}", "; ".join(problems) or None, samples)


def _error(tick: InstigatorTick) -> str:
    return last_words(tick)[:200] or "without a word"


def _midnight(day: dt.date) -> float:
    return dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()
