"""What ended runs leave behind: how many ended how, how long they took, what each model cost, which checks failed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from dagster import AssetCheckKey, DagsterEventType, DagsterInstance, RunRecord, RunsFilter
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from prometheus_client import CollectorRegistry, Counter, Histogram

from ab_pipeline.watch.metadata import Metadata
from ab_pipeline.watch.part import Sample, Seen

# a run's end is stamped before it is committed
_OVERLAP = dt.timedelta(minutes=2)
_FIRST_LOOK = 100
_A_LOOK = 200
_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_READ = {DagsterEventType.ASSET_CHECK_EVALUATION, DagsterEventType.ASSET_MATERIALIZATION}
_NUMBERS = {
    "Execution Duration": "model_seconds",
    "dagster/row_count": "model_rows",
}
"""By the name of a materialization's metadata."""


@dataclass
class EndedRuns:
    """A run counts once, when it is first seen ended. Clean-up removes runs, so rows are never counted."""

    metadata: Metadata
    registry: CollectorRegistry
    _seen: dict[str, float] = field(default_factory=dict)
    _since: dt.datetime | None = None
    _checks: dict[AssetCheckKey, Sample] = field(default_factory=dict)
    _models: dict[tuple[str, str], Sample] = field(default_factory=dict)

    def __post_init__(self) -> None:
        labels = ("job", "status")
        self._ended = Counter("ab_pipeline_runs", "Runs that ended, by job and how.", labels, registry=self.registry)
        self._run_seconds = Histogram(
            "ab_pipeline_run_seconds", "How long runs took.", ("job",), buckets=_SECONDS, registry=self.registry
        )
        self._step_seconds = Histogram(
            "ab_pipeline_step_seconds",
            "How long steps took.",
            ("job", "step"),
            buckets=_SECONDS,
            registry=self.registry,
        )

    def look(self) -> Seen:
        """At the runs that ended since the last look; at the first one at a hundred, for their checks and costs."""
        instance = self.metadata.instance
        ended = RunsFilter(statuses=list(FINISHED_STATUSES), updated_after=self._since and self._since - _OVERLAP)
        if self._since is None:
            records = list(reversed(instance.get_run_records(ended, limit=_FIRST_LOOK, order_by="update_timestamp")))
        else:
            records = instance.get_run_records(ended, limit=_A_LOOK, order_by="update_timestamp", ascending=True)
        is_first = self._since is None
        for record in records:
            run_id = record.dagster_run.run_id
            if run_id in self._seen:
                continue
            self._seen[run_id] = record.update_timestamp.timestamp()
            if not is_first:
                self._count(instance, record)
            self._read(instance, run_id)
        self._since = max(
            (record.update_timestamp for record in records), default=self._since or dt.datetime.now(dt.UTC)
        )
        oldest = (self._since - 2 * _OVERLAP).timestamp()
        self._seen = {run_id: at for run_id, at in self._seen.items() if at > oldest}
        failing = sum(not sample.value for sample in self._checks.values())
        return Seen(f"{failing} checks fail", None, (*self._checks.values(), *self._models.values()))

    def _count(self, instance: DagsterInstance, record: RunRecord) -> None:
        run = record.dagster_run
        self._ended.labels(run.job_name, run.status.value).inc()
        if record.start_time and record.end_time:
            self._run_seconds.labels(run.job_name).observe(record.end_time - record.start_time)
        for step in instance.get_run_step_stats(run.run_id):
            if step.start_time and step.end_time:
                self._step_seconds.labels(run.job_name, step.step_key).observe(step.end_time - step.start_time)

    def _read(self, instance: DagsterInstance, run_id: str) -> None:
        for entry in instance.all_logs(run_id, of_type=_READ):
            event = entry.dagster_event
            if event and event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
                said = event.asset_check_evaluation_data
                asset = said.asset_key.to_user_string()
                labels = {"asset": asset, "check": said.check_name, "severity": said.severity.value}
                key = AssetCheckKey(said.asset_key, said.check_name)
                self._checks[key] = Sample("check_passed", float(said.passed), labels)
            elif event:
                made = event.step_materialization_data.materialization
                for name, metric in _NUMBERS.items():
                    value = getattr(made.metadata.get(name), "value", None)
                    if isinstance(value, int | float):
                        model = made.asset_key.to_user_string()
                        self._models[(model, metric)] = Sample(metric, float(value), {"model": model})
