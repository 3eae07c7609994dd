"""The sensor and the sweep: raw data that changed becomes runs for just the days and users concerned."""

import datetime as dt
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetsDefinition,
    DagsterInstance,
    DefaultSensorStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    schedule,
    sensor,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ab_pipeline.automation.changes import EVERY_DAY, Calendar, Changes, Scope, due_in, read_changes
from ab_pipeline.automation.lost_runs import fail_lost_runs
from ab_pipeline.automation.plan import DueDay, Failures, Refresh, plan_refreshes
from ab_pipeline.automation.runs import failures_of_due_days, refresh_tags, unused_run_key
from ab_pipeline.automation.schedules import LATE_DATA_SWEEP, default_status
from ab_pipeline.automation.signatures import MISSING_USERS, STALE_EXPERIMENTS, STALE_USERS
from ab_pipeline.automation.turns import Turns
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import Warehouse, WarehouseError
from ab_pipeline.warm_runs.launcher import keep_warm

REFRESH_JOB = "refresh"
RAW_CHANGES = "raw_changes"
_MAX_RUNS_PER_TICK = 10
_NOTHING_WRITTEN = "nothing was written to the warehouse since it was last compared"
_DUE_SINCE = "due since "


@dataclass(frozen=True)
class Look:
    """One comparison: by whom, of which days, for how many runs at most."""

    requester: str
    scope: Scope
    max_runs: int = _MAX_RUNS_PER_TICK


# every run at once: the next sweep is a day away
SWEEP = Look(LATE_DATA_SWEEP, EVERY_DAY, sys.maxsize)


@dataclass(frozen=True)
class Decision:
    """What one comparison leads to."""

    requests: list[RunRequest]
    reasons: tuple[str, ...]
    oldest: dt.date | None
    """The oldest day that is due, requested or not."""

    @property
    def reason(self) -> str:
        """Why nothing, or not everything, is requested."""
        return "; ".join(self.reasons) or "what is built is what the raw tables say"


class RawChanges:
    """Turns changes into run requests. All it knows comes from the warehouse and from Dagster's run storage."""

    def __init__(
        self, settings: Settings, warehouse: Warehouse, assets: Sequence[AssetsDefinition], turns: Turns
    ) -> None:
        self._settings = settings
        self._warehouse = warehouse
        self._turns = turns
        self._keys: dict[str, list[AssetKey]] = {}
        self._checks: list[AssetCheckKey] = []
        self._upstream: dict[AssetKey, Set[AssetKey]] = {}
        for definition in assets:
            for key, group in definition.group_names_by_key.items():
                self._keys.setdefault(group, []).append(key)
            self._checks.extend(definition.check_keys)
            self._upstream.update(definition.asset_deps)

    def tick(self, instance: DagsterInstance, cursor: str | None, now: dt.datetime) -> SensorResult:
        """One look: at the token; if it moved, at the lookback and the days that failed; at first, at every day.

        The cursor saves work and nothing else: without it every day is compared.
        """
        fail_lost_runs(instance)
        failures = failures_of_due_days(instance, now)
        try:
            # midnight and a new setting make days reachable, a failure makes its day due, with nothing written
            newest_failure = max((failed.last_at for failed in failures.values()), default=None)
            token = f"{self._warehouse.token()} {self._calendar(now)} {len(failures)} {newest_failure}"
            if token == cursor:
                return SensorResult(skip_reason=_NOTHING_WRITTEN, cursor=cursor)
            look = Look(RAW_CHANGES, self._scope(cursor, failures))
            decision = self.decide(look, instance, now, failures)
        except WarehouseError as error:
            return SensorResult(skip_reason=str(error), cursor=cursor)
        return SensorResult(
            run_requests=decision.requests,
            skip_reason=None if decision.requests else decision.reason,
            # while a day is due, the warehouse is compared at every tick, written to or not
            cursor=f"{_DUE_SINCE}{decision.oldest}" if decision.oldest else token,
        )

    def _calendar(self, now: dt.datetime) -> Calendar:
        return Calendar(self._settings.start_date, now.astimezone(ZoneInfo(self._settings.timezone)).date())

    def _scope(self, cursor: str | None, failures: Mapping[DueDay, Failures]) -> Scope:
        if not cursor:
            return EVERY_DAY
        since = {due.day for due in failures}
        if cursor.startswith(_DUE_SINCE):
            since.add(dt.date.fromisoformat(cursor.removeprefix(_DUE_SINCE)))
        return Scope(dt.timedelta(days=self._settings.lookback_days), min(since, default=dt.date.max))

    def decide(
        self, look: Look, instance: DagsterInstance, now: dt.datetime, failures: Mapping[DueDay, Failures]
    ) -> Decision:
        """Compare the days of a look; the runs to request, and why other changes wait.

        Raises:
            WarehouseError: the warehouse could not be read.
        """
        calendar = self._calendar(now)
        # what is in flight is read before the comparison: a run that ends in between has then written what is compared
        with self._turns.take(look.requester, instance, now) as turn:
            with self._warehouse.open() as session:
                changes = read_changes(session, calendar, look.scope)
            due = due_in(calendar, changes, failures)
            plan = plan_refreshes(
                due.days,
                in_flight=turn.taken,
                failures=failures,
                now=now,
                max_days_per_run=self._settings.max_days_per_run,
                max_runs=look.max_runs,
            )
            turn.request(due_day.day for refresh in plan.refreshes for due_day in refresh.days)
        requests = [self._request(instance, refresh, changes, due.carrier) for refresh in plan.refreshes]
        oldest = min((due_day.day for due_day in due.days), default=None)
        return Decision(requests, (*plan.waiting, *due.unreachable), oldest)

    def _request(
        self, instance: DagsterInstance, refresh: Refresh, changes: Changes, carrier: dt.date | None
    ) -> RunRequest:
        """A run of what changed: facts for changed events, dimensions and their history for changed users."""
        days = {due.day for due in refresh.days}
        carries = carrier in days
        # the registry is three small files, and a declaration that changed counts from the next refresh on
        groups = ["analytics", "registry", "experiments"]
        if not days.isdisjoint(changes.days) or (carries and None in changes.days):
            groups.append("facts")
        stale = changes.dimensions.keys() - {STALE_USERS, STALE_EXPERIMENTS}
        # without users no run can build a day, and the one that carries them may be cancelled
        if MISSING_USERS in stale or (carries and stale):
            groups.append("dimensions")
        built = [key for group in groups for key in self._keys[group]]
        # what is upstream and no asset of ours is a raw table
        raw = {upstream for key in built for upstream in self._upstream[key]} - self._upstream.keys()
        read = raw.union(built)
        return RunRequest(
            run_key=unused_run_key(instance, refresh),
            job_name=REFRESH_JOB,
            asset_selection=built,
            # by default Dagster takes every check of the assets, also those that the job leaves out
            asset_check_keys=[check for check in self._checks if check.asset_key in read],
            tags=refresh_tags(refresh),
        )


def raw_changes_sensor(changes: RawChanges, job: UnresolvedAssetJobDefinition, every_seconds: int) -> SensorDefinition:
    """Looks every so often; what it finds is refreshed at once."""

    @sensor(
        name=RAW_CHANGES,
        job=job,
        minimum_interval_seconds=every_seconds,
        default_status=DefaultSensorStatus.RUNNING,
        description="Requests runs for the days and users whose raw rows are not those their tables were built from.",
    )
    def raw_changes(context: SensorEvaluationContext) -> SensorResult:
        keep_warm(context.instance)
        return changes.tick(context.instance, context.cursor, dt.datetime.now(dt.UTC))

    return raw_changes


def late_data_sweep_schedule(
    changes: RawChanges, job: UnresolvedAssetJobDefinition, settings: Settings
) -> ScheduleDefinition:
    """Compares every day, every night: the sensor looks at the lookback only."""

    @schedule(
        name=LATE_DATA_SWEEP,
        job=job,
        cron_schedule="30 4 * * *",
        execution_timezone=settings.timezone,
        default_status=default_status(LATE_DATA_SWEEP, settings.target),
        description="Compares every day with what it was built from, also those older than the lookback.",
    )
    def late_data_sweep(context: ScheduleEvaluationContext) -> list[RunRequest] | SkipReason:
        try:
            now = dt.datetime.now(dt.UTC)
            failures = failures_of_due_days(context.instance, now)
            decision = changes.decide(SWEEP, context.instance, now, failures)
        except WarehouseError as error:
            return SkipReason(str(error))
        return decision.requests or SkipReason(decision.reason)

    return late_data_sweep
