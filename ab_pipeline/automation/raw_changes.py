"""The sensor and the sweep: raw data that changed becomes runs for just the days and users concerned."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetsDefinition,
    DagsterInstance,
    DagsterRunStatus,
    RunRequest,
    RunsFilter,
    SensorResult,
)

from ab_pipeline.automation import sentences
from ab_pipeline.automation.changes import Calendar, Changes, Due, due_in, read_changes
from ab_pipeline.automation.lost_runs import fail_lost_runs
from ab_pipeline.automation.memory import Memory, remembered
from ab_pipeline.automation.plan import DueDay, Failures, Plan, Refresh, plan_refreshes
from ab_pipeline.automation.registry_changes import files_token
from ab_pipeline.automation.runs import failures_by_database, other_databases, refresh_tags, unused_run_key
from ab_pipeline.automation.schedules import LATE_DATA_SWEEP
from ab_pipeline.automation.scope import EVERY_DAY, Budget, Scope, explains
from ab_pipeline.automation.signatures import (
    MISSING_USERS,
    STALE_EXPERIMENTS,
    STALE_REGISTRY,
    STALE_USERS,
    RawSide,
)
from ab_pipeline.automation.turns import Turn, Turns
from ab_pipeline.raw_data.contract import RAW_TABLES, USER_EVENT
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import Warehouse, WarehouseLockedError, Writes
from ab_pipeline.worker import WORKER_TAG, Worker

REFRESH_JOB = "refresh"
RAW_CHANGES = "raw_changes"
CANNOT_SEE = dt.timedelta(minutes=10)
"""Whoever holds the warehouse for longer keeps us from seeing it."""
_MAX_RUNS_PER_TICK = 10
_SINGLE_DAYS = 30


@dataclass(frozen=True)
class Seen:
    """What one look led to."""

    requests: list[RunRequest]
    said: str
    """What was compared, what is due and why it waits: the same words wherever it is told."""
    memory: Memory

    @property
    def result(self) -> SensorResult:
        """As a tick's."""
        reason = None if self.requests else self.said
        return SensorResult(run_requests=self.requests, skip_reason=reason, cursor=self.memory.to_cursor())


@dataclass(frozen=True)
class Decision:
    """What one comparison leads to."""

    requests: list[RunRequest]
    sentences: tuple[str, ...]
    """What was compared, what is due and why it waits."""
    oldest: dt.date | None
    """The oldest day that is due, requested or not."""

    @property
    def reason(self) -> str:
        """All of it."""
        return "; ".join(self.sentences)


@dataclass(frozen=True)
class _Moment:
    """What a look knows before it compares anything."""

    instance: DagsterInstance
    now: dt.datetime
    failures: Mapping[str, Mapping[DueDay, Failures]]
    """By database."""


@dataclass(frozen=True)
class _Comparison:
    changes: Changes
    due: Due
    plan: Plan
    requests: list[RunRequest]

    @property
    def said(self) -> list[str]:
        due = sentences.due_sentences(self.changes, self.due, self.plan.refreshes, self.plan.waiting)
        return [sentences.compared_sentence(self.changes.compared), *due]


class RawChanges:
    """Turns changes into run requests. All it knows comes from the warehouse and from Dagster's run storage."""

    def __init__(
        self, settings: Settings, warehouse: Warehouse, assets: Sequence[AssetsDefinition], turns: Turns
    ) -> None:
        self._settings = settings
        self._warehouse = warehouse
        self._turns = turns
        self._budget = Budget(settings.looks_at_every_day_per_hour)
        self._keys: dict[str, list[AssetKey]] = {}
        self._checks: list[AssetCheckKey] = []
        self._upstream: dict[AssetKey, Set[AssetKey]] = {}
        for definition in assets:
            for key, group in definition.group_names_by_key.items():
                self._keys.setdefault(group, []).append(key)
            self._checks.extend(definition.check_keys)
            self._upstream.update(definition.asset_deps)

    def tick(self, instance: DagsterInstance, cursor: str | None, now: dt.datetime) -> SensorResult:
        """One look, as a tick's result.

        Raises:
            WarehouseError: the warehouse cannot be seen.
        """
        return self.look(instance, cursor, now).result

    def look(self, instance: DagsterInstance, cursor: str | None, now: dt.datetime) -> Seen:
        """At what was written; if anything was, at the days that it may be of and those that are due or failed.

        The cursor saves work and nothing else: without it every day is compared.

        Raises:
            WarehouseError: the warehouse cannot be seen: it is missing, damaged, out of reach or not ours to read, or
                somebody has had it for ten minutes.
        """
        fail_lost_runs(instance)
        memory = remembered(cursor)
        moment = _Moment(instance, now, failures_by_database(instance, now))
        try:
            writes = self._warehouse.writes(RAW_TABLES.keys())
            token = self._token(writes, moment)
            if memory and memory.token == token and not self._may_look_further(memory, now):
                return Seen([], sentences.idle_sentence(memory.said), replace(memory, busy_since=None))
            return self._compared(moment, memory, writes, token)
        except WarehouseLockedError as error:
            return self._busy(instance, error, memory or Memory(""), now)

    def sweep(self, instance: DagsterInstance, now: dt.datetime) -> Decision:
        """Compare every day; the runs to request, every one at once, as the next sweep is a day away.

        Raises:
            WarehouseError: the warehouse could not be read.
        """
        moment = _Moment(instance, now, failures_by_database(instance, now))
        with self._turns.take(LATE_DATA_SWEEP, instance, now, self._warehouse.identity) as turn:
            found = self._compare(moment, turn, EVERY_DAY, max_runs=sys.maxsize)
        oldest = min((due_day.day for due_day in found.due.days), default=None)
        return Decision(found.requests, tuple(found.said), oldest)

    def _token(self, writes: Writes, moment: _Moment) -> str:
        # midnight and a new setting make days reachable, a failure makes its day due, with nothing written
        tried = [failed for of_one in moment.failures.values() for failed in of_one.values()]
        newest_failure = max((failed.last_at for failed in tried), default=None)
        registry = files_token(self._settings.registry)
        return f"{writes.token} {self._calendar(moment.now)} {len(tried)} {newest_failure} {registry}"

    def _calendar(self, now: dt.datetime) -> Calendar:
        return Calendar(self._settings.start_date, now.astimezone(ZoneInfo(self._settings.timezone)).date())

    def _credit(self, memory: Memory, now: dt.datetime) -> float:
        return self._budget.credit(memory.credit, now - (memory.credited_at or now))

    def _may_look_further(self, memory: Memory, now: dt.datetime) -> bool:
        return memory.reached is not None and not self._budget.wait(self._credit(memory, now))

    def _scope(self, memory: Memory | None, failures: Mapping[DueDay, Failures], now: dt.datetime) -> Scope:
        if memory is None or self._budget.per_hour is None:
            return EVERY_DAY
        single = {due.day for due in failures} | set(memory.due)
        since = dt.date.max
        if len(single) > _SINGLE_DAYS:
            single, since = set(), min(single)
        lookback = dt.timedelta(days=self._settings.lookback_days)
        further = memory.reached if self._may_look_further(memory, now) else None
        return Scope(lookback, since, frozenset(single), further)

    def _compared(self, moment: _Moment, memory: Memory | None, writes: Writes, token: str) -> Seen:
        now = moment.now
        # what is in flight is read before the comparison: a run that ends in between has then written what is compared
        with self._turns.take(RAW_CHANGES, moment.instance, now, self._warehouse.identity) as turn:
            if memory and memory.database != turn.database:
                memory = None
            traces = writes.tables or {}
            known = {
                name: side
                for name, side in (memory.dimensions if memory else {}).items()
                if memory and name in traces and traces[name] == memory.traces.get(name)
            }
            scope = self._scope(memory, moment.failures.get(turn.database, {}), now)
            found = self._compare(moment, turn, scope, known=known)
        before = memory or Memory(turn.database, credit=1.0)
        compared = found.changes.compared
        reached = _reached(before, writes, found.changes)
        credit = self._credit(before, now)
        if self._budget.per_hour is not None and (compared.is_all or before.reached):
            credit -= compared.share
        said = [*found.said, *self._on_older_days(found.changes, writes, reached, credit, now)]
        if others := other_databases(moment.instance, turn.database):
            said.append(sentences.others_sentence(others))
        due = tuple(sorted(due_day.day for due_day in found.due.days))
        text = sentences.at(said, now)
        return Seen(
            found.requests,
            text,
            Memory(
                turn.database,
                # while a day is due, the warehouse is compared at every look, written to or not
                token="" if due else token,
                due=due,
                due_since=(before.due_since or now) if due else None,
                newest=found.changes.newest or before.newest,
                reached=reached,
                credit=credit,
                credited_at=now,
                traces=traces,
                dimensions=found.changes.raw_sides,
                said=text,
            ),
        )

    def _on_older_days(
        self, changes: Changes, writes: Writes, reached: dt.date | None, credit: float, now: dt.datetime
    ) -> list[str]:
        if changes.compared.is_all:
            return []
        if reached:
            wait = self._budget.wait(credit)
            return [sentences.far_sentence(reached, now + wait if wait else None)]
        if writes.blind:
            return [sentences.nightly_sentence(changes.compared.since, writes.blind)]
        if writes.tables is not None and USER_EVENT.name not in writes.tables:
            why = f"svv_table_info does not list {USER_EVENT.relation}"
            return [sentences.nightly_sentence(changes.compared.since, why)]
        return []

    def _compare(
        self,
        moment: _Moment,
        turn: Turn,
        scope: Scope,
        *,
        max_runs: int = _MAX_RUNS_PER_TICK,
        known: Mapping[str, RawSide] | None = None,
    ) -> _Comparison:
        calendar, failures = self._calendar(moment.now), moment.failures.get(turn.database, {})
        with self._warehouse.open() as session:
            changes = read_changes(session, calendar, scope, registry=self._settings.registry, known=known)
        due = due_in(calendar, changes, failures)
        plan = plan_refreshes(
            due.days,
            in_flight=turn.taken,
            failures=failures,
            now=moment.now,
            max_days_per_run=self._settings.max_days_per_run,
            max_runs=max_runs,
        )
        turn.request(due_day.day for refresh in plan.refreshes for due_day in refresh.days)
        requests = [
            self._request(moment.instance, refresh, changes, due.carrier, turn.database) for refresh in plan.refreshes
        ]
        return _Comparison(changes, due, plan, requests)

    def _request(
        self, instance: DagsterInstance, refresh: Refresh, changes: Changes, carrier: dt.date | None, database: str
    ) -> RunRequest:
        """A run of what changed: facts for changed events, dimensions and their history for changed users."""
        days = {due.day for due in refresh.days}
        carries = carrier in days
        has_events = not days.isdisjoint(changes.days) or (carries and None in changes.days)
        # the registry is three small files, and a declaration that changed counts from the next refresh on
        groups = ["registry", "experiments"]
        if has_events or not carries or changes.dimensions.keys() != {STALE_REGISTRY}:
            groups.append("analytics")
        if has_events:
            groups.append("facts")
        stale = changes.dimensions.keys() - {STALE_USERS, STALE_EXPERIMENTS, STALE_REGISTRY}
        # without users no run can build a day, and the one that carries them may be cancelled
        if MISSING_USERS in stale or (carries and stale):
            groups.append("dimensions")
        built = [key for group in groups for key in self._keys.get(group, [])]
        # what is upstream and no asset of ours is a raw table
        raw = {upstream for key in built for upstream in self._upstream[key]} - self._upstream.keys()
        read = raw.union(built)
        return RunRequest(
            run_key=unused_run_key(instance, refresh),
            job_name=REFRESH_JOB,
            asset_selection=built,
            # by default Dagster takes every check of the assets, also those that the job leaves out
            asset_check_keys=[check for check in self._checks if check.asset_key in read],
            tags=refresh_tags(refresh, database),
        )

    def _busy(self, instance: DagsterInstance, error: WarehouseLockedError, memory: Memory, now: dt.datetime) -> Seen:
        """A run of ours is waited for as long as it takes, anybody else for ten minutes."""
        if run := _run_in_process(instance, error.holder):
            said = sentences.busy_sentence(f"{run} has {self._warehouse.name}", None, CANNOT_SEE)
            return Seen([], said, replace(memory, busy_since=None))
        since = memory.busy_since or now
        if now - since >= CANNOT_SEE:
            raise error
        return Seen([], sentences.busy_sentence(str(error), since, CANNOT_SEE), replace(memory, busy_since=since))


def _reached(before: Memory, writes: Writes, changes: Changes) -> dt.date | None:
    """The days before this one are still to be compared; None if none are."""
    compared = changes.compared
    if compared.is_all:
        return None
    if writes.tables is None:
        # a file does not say which table was written to
        is_further = not writes.blind
    else:
        trace, seen = writes.tables.get(USER_EVENT.name), before.traces.get(USER_EVENT.name)
        is_further = trace is not None and trace != seen and not explains(compared, seen, trace)
    if is_further:
        return compared.since
    return min(before.reached, compared.since) if before.reached else None


def _run_in_process(instance: DagsterInstance, pid: int | None) -> str | None:
    """The run of this host that a process works on."""
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])) if pid else ():
        worker = Worker.from_tag(run.tags[WORKER_TAG]) if WORKER_TAG in run.tags else None
        if worker and worker.is_here and worker.pid == pid:
            return f"run {run.run_id[:8]}"
    return None
