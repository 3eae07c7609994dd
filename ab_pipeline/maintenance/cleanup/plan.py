"""Which runs go: a pure function of an inventory and a policy."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from ab_pipeline.maintenance.cleanup.inventory import Inventory, RunFacts
from ab_pipeline.maintenance.cleanup.policy import NEEDED, Policy

OLD = "older than its job or status is kept"
TOO_LARGE = "storage is above its mark"
_OF_A_FAMILY = "a run that stays repeats it"


@dataclass(frozen=True)
class Removal:
    """A run that goes, and why."""

    run: RunFacts
    reason: str


@dataclass(frozen=True)
class Plan:
    """What a clean-up does. It stays right while Dagster works: nothing in it is younger than the cutoff."""

    at: datetime
    cutoff: datetime
    """What was believed at this moment or later can still be told after the clean-up."""
    removals: tuple[Removal, ...]
    """Oldest end first."""
    kept: Mapping[str, int]
    """How many runs stay, by reason."""

    @property
    def bytes(self) -> int:
        """About what removing the runs frees."""
        return sum(removal.run.bytes for removal in self.removals)

    def by_day(self) -> dict[date, list[RunFacts]]:
        """The runs that go, by the UTC day of their end, oldest first."""
        days: defaultdict[date, list[RunFacts]] = defaultdict(list)
        for removal in self.removals:
            assert removal.run.ended_at
            days[removal.run.ended_at.date()].append(removal.run)
        return dict(days)


def plan_cleanup(inventory: Inventory, policy: Policy) -> Plan:
    """The runs that the policy lets go and that nobody needs."""
    cutoff = inventory.at - NEEDED
    kept = _kept(inventory, policy, cutoff)
    candidates = sorted(
        (run for run in inventory.runs if run.run_id not in kept), key=lambda run: (run.ended_at or cutoff, run.run_id)
    )
    going = {run.run_id: Removal(run, OLD) for run in candidates if _age_allows(run, policy, inventory.at)}
    # before the marks are looked at: what is taken back frees nothing
    _keep_families(inventory.runs, going, kept)
    if policy.start_at is not None and policy.stop_at is not None and inventory.bytes > policy.start_at:
        left = inventory.bytes - sum(removal.run.bytes for removal in going.values())
        for run in candidates:
            if left <= policy.stop_at:
                break
            if run.run_id not in going and run.run_id not in kept:
                going[run.run_id] = Removal(run, TOO_LARGE)
                left -= run.bytes
        _keep_families(inventory.runs, going, kept)
    for run in candidates:
        if run.run_id not in going:
            kept.setdefault(run.run_id, "not old enough")
    removals = tuple(going[run.run_id] for run in candidates if run.run_id in going)
    return Plan(inventory.at, cutoff, removals, Counter(kept.values()))


def _age_allows(run: RunFacts, policy: Policy, now: datetime) -> bool:
    return run.ended_at is not None and now - run.ended_at > policy.keeps(run.job, run.status)


def _kept(inventory: Inventory, policy: Policy, cutoff: datetime) -> dict[str, str]:
    """Runs that stay whatever their age and size, each with the reason."""
    kept: dict[str, str] = {}
    by_job: defaultdict[str, list[RunFacts]] = defaultdict(list)
    for run in inventory.runs:
        by_job[run.job].append(run)
        if run.ended_at is None:
            kept[run.run_id] = "not finished"
        elif run.run_id in inventory.needed:
            kept[run.run_id] = inventory.needed[run.run_id]
        elif run.ended_at > cutoff:
            kept[run.run_id] = f"ended within {NEEDED.days} days"
    for runs in by_job.values():
        finished = [run for run in runs if run.ended_at is not None]
        newest = sorted(finished, key=lambda run: (run.ended_at or cutoff, run.run_id), reverse=True)
        for run in newest[: policy.min_runs_per_job]:
            kept.setdefault(run.run_id, f"among the newest {policy.min_runs_per_job} of its job")
    return kept


def _keep_families(runs: Iterable[RunFacts], going: dict[str, Removal], kept: dict[str, str]) -> None:
    """Take back what a run that stays repeats: Dagster shows, and re-executes, a run with all before it."""
    staying = [run for run in runs if run.run_id not in going]
    while staying:
        for parent in staying.pop().parents:
            if removal := going.pop(parent, None):
                kept[parent] = _OF_A_FAMILY
                staying.append(removal.run)
