"""What a clean-up is told with: the same rows in the terminal and in the UI."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING

from ab_pipeline.maintenance.cleanup.inventory import Inventory, RunFacts, Store, full_on
from ab_pipeline.maintenance.cleanup.plan import Plan

if TYPE_CHECKING:
    # it imports Dagster, which takes seconds
    from ab_pipeline.maintenance.cleanup.clean_up import Report

Row = tuple[str, ...]

STORE_COLUMNS = ("what", "where", "bytes", "rows or files", "bytes a day", "rows or files a day")
PLAN_COLUMNS = ("job", "status", "runs", "of", "ended", "events", "bytes", "because")
_UNITS = ("B", "kB", "MB", "GB", "TB")


def size(count: float) -> str:
    """Bytes for people: three digits are enough."""
    for unit in _UNITS:
        if abs(count) < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} B" if unit == "B" else f"{count:.{1 if abs(count) < 100 else 0}f} {unit}"
        count /= 1000
    raise AssertionError


def store_rows(stores: Iterable[Store]) -> list[Row]:
    """One row a store, the largest first; what is empty is left out, and what nothing is known of comes last."""
    shown = sorted((store for store in stores if store.bytes or store.problem), key=lambda store: -store.bytes)
    return [
        (
            store.name,
            store.place.value,
            size(store.bytes) if not store.problem else "unknown",
            f"{store.rows:,}",
            size(store.bytes_a_day),
            f"{store.rows_a_day:,.0f}",
        )
        for store in shown
    ]


def problem_lines(stores: Iterable[Store]) -> list[str]:
    """Why nothing is known of some."""
    return [f"{store.name}: {store.problem}" for store in stores if store.problem]


def outlook(stores: tuple[Store, ...], free: int, today: date) -> str:
    """When the disk is full."""
    day = full_on(stores, free, today)
    a_day = sum(store.bytes_a_day for store in stores)
    if day is None:
        return f"{size(free)} free on this disk"
    return f"{size(free)} free on this disk: full on {day} if it goes on like the last week, by {size(a_day)} a day"


def plan_rows(plan: Plan, inventory: Inventory) -> list[Row]:
    """One row for the runs of a job and status that go for the same reason."""
    groups: defaultdict[tuple[str, str, str], list[RunFacts]] = defaultdict(list)
    for removal in plan.removals:
        groups[removal.run.job, removal.run.status, removal.reason].append(removal.run)
    of = Counter((run.job, run.status) for run in inventory.runs)
    rows = []
    for (job, status, reason), runs in sorted(groups.items()):
        days = sorted(run.ended_at.date() for run in runs if run.ended_at)
        rows.append(
            (
                job,
                status,
                f"{len(runs):,}",
                f"{of[job, status]:,}",
                _range(days),
                f"{sum(run.rows for run in runs):,}",
                size(sum(run.bytes for run in runs)),
                reason,
            )
        )
    return rows


def _range(days: Sequence[date]) -> str:
    return str(days[0]) if days[0] == days[-1] else f"{days[0]} to {days[-1]}"


def kept_lines(plan: Plan) -> list[str]:
    """How many runs stay, and why."""
    return [f"{count:,} stay: {reason}" for reason, count in sorted(plan.kept.items(), key=lambda item: -item[1])]


def summary(report: Report) -> str:
    """What was done, or would be, in a sentence."""
    runs = f"{len(report.plan.removals):,} of {len(report.before.runs):,} runs"
    if report.after is None:
        return f"{runs} would be archived and removed: about {size(report.plan.bytes)} of {size(report.before.bytes)}"
    removed = len(report.before.runs) - len(report.after.runs)
    return (
        f"{removed:,} of {len(report.before.runs):,} runs archived and removed:"
        f" {size(report.before.bytes)} before, {size(report.after.bytes)} after"
    )


def markdown(columns: Row, rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (columns, ("---",) * len(columns), *rows))
