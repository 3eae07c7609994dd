"""Which days to refresh next, and in which runs: pure functions of what is there and what was tried.

The warehouse is the state. A day is due while the events there are not those it was built from; nothing has to
remember that it was requested, so nothing can forget it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=6)


@dataclass(frozen=True)
class DaySignature:
    """The events of one day: how many, and a text that is equal for equal events in any order."""

    num_of_events: int = 0
    signature: str = ""


@dataclass(frozen=True)
class BuiltDay:
    """What a day was built from, and by which build."""

    events: DaySignature = DaySignature()
    build_id: str = ""


@dataclass(frozen=True)
class DueDay:
    """A day whose events are not those it was built from.

    The digest stands for both sides: the events that are there, and the build that they would replace. Without the
    build a day that is corrected twice, the second time back to what it was, would look like one already requested.
    """

    day: date
    digest: str


@dataclass(frozen=True)
class Failures:
    """How often a due day was tried in vain, with the events it has now."""

    count: int
    last_at: datetime

    @property
    def next_try_at(self) -> datetime:
        """One minute after the first failure, doubling up to six hours."""
        return self.last_at + min(_FIRST_WAIT * 2 ** min(self.count - 1, 20), _LONGEST_WAIT)


@dataclass(frozen=True)
class Refresh:
    """One run to request: adjacent days, each tried equally often."""

    days: tuple[DueDay, ...]
    attempt: int

    @property
    def first(self) -> date:
        """The first day of the range."""
        return self.days[0].day

    @property
    def last(self) -> date:
        """The last day of the range, included."""
        return self.days[-1].day

    @property
    def digests(self) -> str:
        """The digest of every day, in order: what the run was asked to build."""
        return ",".join(due.digest for due in self.days)

    @property
    def run_key(self) -> str:
        """Equal for the same days with the same events, tried for the same time."""
        content = hashlib.sha256(self.digests.encode()).hexdigest()[:16]
        return f"{self.first}...{self.last}:{content}:{self.attempt}"


@dataclass(frozen=True)
class Plan:
    """The runs to request now, and why other due days wait."""

    refreshes: tuple[Refresh, ...]
    waiting: tuple[str, ...]


def due_days(
    there: Mapping[date | None, DaySignature], built: Mapping[date | None, BuiltDay]
) -> dict[date | None, str]:
    """The digest of every day that differs. A day may be on one side only: new, or emptied."""
    pairs = {day: (there.get(day, DaySignature()), built.get(day, BuiltDay())) for day in there.keys() | built.keys()}
    return {day: _digest(events, build) for day, (events, build) in pairs.items() if events != build.events}


def _digest(events: DaySignature, build: BuiltDay) -> str:
    """Eight hexadecimal digits: short enough to list for every day of a run in one tag."""
    return hashlib.sha256(f"{events}{build}".encode()).hexdigest()[:8]


def plan_refreshes(
    due: Collection[DueDay],
    *,
    in_flight: Mapping[date, str],
    failures: Mapping[DueDay, Failures],
    now: datetime,
    max_days_per_run: int,
    max_runs: int,
) -> Plan:
    """Few runs for many days; a day that keeps failing waits, and keeps no other day waiting.

    A range that failed comes back in halves, so that in the end the bad day stands alone. Newest days go first.
    """
    waiting: list[str] = []
    ready: list[DueDay] = []
    for day in sorted(due, key=lambda due_day: due_day.day):
        failed = failures.get(day)
        if day.day in in_flight:
            waiting.append(f"{day.day} is being refreshed by {in_flight[day.day]}")
        elif failed and now < failed.next_try_at:
            times = "once" if failed.count == 1 else f"{failed.count} times"
            waiting.append(f"{day.day} failed {times}, next try at {failed.next_try_at:%Y-%m-%d %H:%M} UTC")
        else:
            ready.append(day)
    attempts = {day: failures[day].count if day in failures else 0 for day in ready}
    refreshes = [
        Refresh(tuple(chunk), attempt)
        for attempt, run in _adjacent(ready, attempts)
        for chunk in _chunks(run, max(1, max_days_per_run >> attempt))
    ]
    # what never failed goes before what did
    refreshes.sort(key=lambda refresh: (refresh.attempt, -refresh.last.toordinal()))
    waiting += [f"{later.first} to {later.last} comes with the next tick" for later in refreshes[max_runs:]]
    return Plan(tuple(refreshes[:max_runs]), tuple(waiting))


def _adjacent(days: Sequence[DueDay], attempts: Mapping[DueDay, int]) -> list[tuple[int, list[DueDay]]]:
    """Runs of consecutive days with the same number of attempts; `days` is sorted."""

    def run_of(numbered: tuple[int, DueDay]) -> tuple[int, int]:
        number, due = numbered
        return attempts[due], due.day.toordinal() - number

    return [(attempt, [due for _, due in members]) for (attempt, _), members in groupby(enumerate(days), key=run_of)]


def _chunks(days: Sequence[DueDay], size: int) -> list[Sequence[DueDay]]:
    return [days[start : start + size] for start in range(0, len(days), size)]
