"""What a look has to say, in the words that the tick, `ab-pipeline changes` and the log share: pure functions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ab_pipeline.automation.changes import Changes, Due
from ab_pipeline.automation.plan import Refresh
from ab_pipeline.automation.scope import Compared

BUSY = "busy"
"""How the reason of a tick begins that could not look, since somebody has the warehouse."""
NOTHING_DUE = "what is built is what the raw tables say"
_SHOWN = 3
_SHOWN_WAITING = 5


def compared_sentence(compared: Compared) -> str:
    """What was compared: `61 days`, or `the last 3 days of 400`."""
    if not compared.of:
        return "compared: no day has events"
    if compared.days == compared.of:
        return f"compared: {_days(compared.of)}"
    older = f" and {compared.older_days} of those before" if compared.older_days else ""
    return f"compared: the last {_days(compared.days)} of {compared.of:,}{older}"


def due_sentences(changes: Changes, due: Due, refreshes: Sequence[Refresh], waiting: Sequence[str]) -> list[str]:
    """What is due and what becomes of it, or that nothing is."""
    said = [f"due: {_range(refresh)}" for refresh in refreshes[:_SHOWN]]
    if len(refreshes) > _SHOWN:
        said.append(f"and {len(refreshes) - _SHOWN} more runs")
    said += waiting[:_SHOWN_WAITING]
    if len(waiting) > _SHOWN_WAITING:
        said.append(f"and {len(waiting) - _SHOWN_WAITING} more wait like them")
    said += due.unreachable
    if changes.mistakes:
        first, *others = changes.mistakes.splitlines()
        more = f" (and {len(others)} more mistakes)" if others else ""
        said.append(f"the registry is not built: {first}{more}")
    return said or [NOTHING_DUE]


def far_sentence(reached: dt.date, next_at: dt.datetime | None) -> str:
    """On days that are yet to be compared."""
    when = f"at {utc(next_at)}" if next_at else "at the next look"
    return f"days before {reached} are compared {when}: something was written that the days since do not explain"


def nightly_sentence(since: dt.date, why: str) -> str:
    """On days that only the sweep compares."""
    return f"days before {since} are compared nightly, at 04:30: {why}"


def others_sentence(names: Sequence[str]) -> str:
    """On what Dagster shows of other databases."""
    return f"in Dagster's UI some runs and days are of another database: {', '.join(names)}"


def idle_sentence(said: str) -> str:
    """When nothing was written since."""
    return f"{said}; nothing was written since"


def at(said: Sequence[str], now: dt.datetime) -> str:
    """All that a look said, and when."""
    return "; ".join([*said, f"looked at {utc(now)}"])


def busy_sentence(why: str, since: dt.datetime | None, patience: dt.timedelta) -> str:
    """When somebody has the warehouse."""
    until = f"; it is a failure at {utc(since + patience)}" if since else ""
    return f"{BUSY}: {why}{until}"


def _days(number: int) -> str:
    return f"{number:,} day{'' if number == 1 else 's'}"


def _range(refresh: Refresh) -> str:
    return str(refresh.first) if refresh.first == refresh.last else f"{refresh.first} to {refresh.last}"


def utc(moment: dt.datetime) -> str:
    """A moment, to the second."""
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
