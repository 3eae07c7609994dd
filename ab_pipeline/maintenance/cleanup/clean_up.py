"""The clean-up: each step a function, in the order in which a crash between any two of them loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial

from dagster import RunsFilter
from dagster._core.storage.dagster_run import RunRecord

from ab_pipeline.automation.alert_file import AlertFile
from ab_pipeline.door.audit import Audit
from ab_pipeline.maintenance.cleanup.archive import Archive
from ab_pipeline.maintenance.cleanup.beliefs import Beliefs, read_beliefs
from ab_pipeline.maintenance.cleanup.folders import remove_older, remove_unused
from ab_pipeline.maintenance.cleanup.inventory import Inventory, RunFacts
from ab_pipeline.maintenance.cleanup.measure import Dagster, Places, take_inventory
from ab_pipeline.maintenance.cleanup.plan import Plan, plan_cleanup
from ab_pipeline.maintenance.cleanup.policy import NEEDED, Policy
from ab_pipeline.maintenance.cleanup.read_story import read_story
from ab_pipeline.maintenance.cleanup.story import Story
from ab_pipeline.maintenance.lock import only_one

_RUNS_AT_ONCE = 50

Say = Callable[[str], None]


@dataclass(frozen=True)
class Done:
    """What became of one part of a clean-up."""

    part: str
    result: str
    error: str = ""


@dataclass(frozen=True)
class Report:
    """A clean-up, or one that was only planned."""

    before: Inventory
    plan: Plan
    parts: tuple[Done, ...] = ()
    after: Inventory | None = None

    @property
    def errors(self) -> list[str]:
        """What failed, a sentence each."""
        return [f"{part.part}: {part.error}" for part in self.parts if part.error]


@dataclass(frozen=True)
class CleanUp:
    """One clean-up of one instance."""

    dagster: Dagster
    places: Places
    archive: Archive
    policy: Policy
    archive_keep_days: int
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    say: Say = print
    audit: Audit | None = None
    """Who did what through the door; None where it was never opened."""

    @cached_property
    def _beliefs(self) -> Beliefs:
        return read_beliefs(self.dagster.instance, self.now - NEEDED)

    @property
    def _old(self) -> datetime:
        """Before then, what is not a run goes."""
        return self.now - timedelta(days=self.policy.keep_days)

    def measure(self) -> Inventory:
        """Everything that grows, now."""
        return take_inventory(self.dagster, self.places, self._beliefs, self.now)

    def preview(self) -> Report:
        """What `apply` would do. Nothing is changed."""
        inventory = self.measure()
        return Report(inventory, plan_cleanup(inventory, self.policy))

    def apply(self) -> Report:
        """Archive and remove. A part that fails does not keep the others from being done.

        Raises:
            StorageError: another clean-up, a backup, a restore or a migration is at work.
        """
        with only_one(self.dagster.engine.storage, "a clean-up"):
            planned = self.preview()
            parts = [self._done(part, step) for part, step in self._steps(planned.plan)]
            return Report(planned.before, planned.plan, tuple(parts), self.measure())

    def _steps(self, plan: Plan) -> Iterator[tuple[str, Callable[[], str]]]:
        for day, runs in plan.by_day().items():
            yield f"runs that ended on {day}", partial(self._remove_runs, runs)
        yield "what runs left that are gone", partial(self._remove_leftovers, plan.cutoff)
        yield "ticks", self._remove_ticks
        yield "snapshots", lambda: f"{self.dagster.tables.delete_unused_snapshots():,} that no run uses removed"
        yield "dbt", self._remove_dbt_files
        if pages := self.places.reports:
            yield "reports", lambda: f"{remove_older(pages, self._old):,} bytes removed"
        yield "alerts", lambda: f"{AlertFile(self.places.alerts).forget(self._old):,} lines removed"
        yield "archive", self._expire_archive
        if audit := self.audit:
            yield "audit", lambda: f"{audit.forget(self.now - timedelta(days=self.archive_keep_days)):,} deeds removed"
        yield "space", lambda: self.dagster.engine.reclaim() or "given back"

    def _done(self, part: str, step: Callable[[], str]) -> Done:
        try:
            done = Done(part, step())
        except Exception as error:
            # whatever it is, the other parts are done, and the whole fails
            done = Done(part, "", f"{type(error).__name__}: {error}")
        self.say(f"{done.part}: {done.error or done.result}")
        return done

    def _remove_runs(self, runs: Sequence[RunFacts]) -> str:
        """Archive the runs of a day, then remove them: the record last, so that a killed clean-up finds them again."""
        run_ids = [run.run_id for run in runs]
        assert runs[0].ended_at
        # but those that somebody has deleted meanwhile
        records = self.dagster.instance.get_run_records(RunsFilter(run_ids=run_ids))
        by_id = {record.dagster_run.run_id: record for record in records}
        size = self.archive.add(runs[0].ended_at.date(), list(by_id), lambda run_id: self._story(by_id[run_id]))
        for start in range(0, len(run_ids), _RUNS_AT_ONCE):
            batch = run_ids[start : start + _RUNS_AT_ONCE]
            self.dagster.tables.delete_events(batch, self._beliefs)
            for run_id in batch:
                self._remove_files(run_id)
                self._free_slots(run_id)
                self.dagster.tables.delete_run(run_id)
        return f"{len(runs):,} archived in {size:,} bytes and removed"

    def _story(self, record: RunRecord) -> Story:
        return read_story(self.dagster.instance, self.dagster.engine, record)

    def _remove_files(self, run_id: str) -> None:
        self.dagster.engine.remove_shard(run_id)
        self.dagster.folders.remove(run_id)

    @cached_property
    def _holding_slots(self) -> set[str]:
        storage = self.dagster.instance.event_log_storage
        return storage.get_concurrency_run_ids() if storage.supports_global_concurrency_limits else set()

    def _free_slots(self, run_id: str) -> None:
        """A slot that a lost run still holds would be held for ever."""
        if run_id in self._holding_slots:
            self.dagster.instance.event_log_storage.free_concurrency_slots_for_run(run_id)

    def _remove_leftovers(self, cutoff: datetime) -> str:
        """Remove what is left of runs without a record: what was believed when they went and no longer is, and files.

        Their stories are in the archive, or somebody deleted them in the UI.
        """
        rows = self.dagster.tables.rows_by_run()
        trees = [*self.dagster.engine.shards(cutoff).items(), *self.dagster.folders.trees(cutoff).items()]
        # after what they left was listed: a run that begins meanwhile has its record first
        there = set(self.dagster.instance.get_run_ids())
        deleted = self.dagster.tables.delete_events(rows.keys() - there, self._beliefs, before=cutoff)
        unused = {run_id for run_id, _ in trees} - {run_id for run_id, tree in trees if tree.new_files} - there
        for run_id in unused:
            self._remove_files(run_id)
        return f"{deleted:,} rows and the files of {len(unused):,} removed"

    def _remove_ticks(self) -> str:
        self.dagster.tables.delete_ticks(self._old)
        freed = sum(remove_older(folder, self._old) for folder in self.dagster.folders.tick_logs())
        return f"older than {self._old:%Y-%m-%d} removed, with {freed:,} bytes of their logs"

    def _remove_dbt_files(self) -> str:
        target = self.places.dbt_target
        unused = (path for path in target.glob("*/") if path != self.places.dbt_in_use)
        freed = remove_unused(unused, self._old) + remove_older(self.places.dbt_logs, self._old)
        return f"{freed:,} bytes removed"

    def _expire_archive(self) -> str:
        before = (self.now - timedelta(days=self.archive_keep_days)).date()
        return f"{self.archive.expire(before):,} days before {before} removed"
