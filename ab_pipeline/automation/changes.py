"""What differs between the raw tables and what is built from them, and which days' runs can mend it."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ab_pipeline.automation.plan import BuiltDay, DaySignature, DueDay, due_days
from ab_pipeline.automation.registry_changes import registry_state
from ab_pipeline.automation.scope import Compared, Scope
from ab_pipeline.automation.signatures import (
    DIMENSIONS,
    STALE_REGISTRY,
    Extent,
    RawSide,
    built_days,
    built_extent,
    built_span,
    dimension_changes,
    is_built,
    newest_day,
    raw_days,
    raw_side,
    read_raw_tables,
)
from ab_pipeline.warehouse.base import Session


@dataclass(frozen=True)
class Calendar:
    """The days that are partitions."""

    first: dt.date
    today: dt.date

    def __contains__(self, day: dt.date | None) -> bool:
        return day is not None and self.first <= day <= self.today


@dataclass(frozen=True)
class Changes:
    """The differences, each with a text that stands for it."""

    days: Mapping[dt.date | None, str]
    """By day; None for events without one."""
    dimensions: Mapping[str, str]
    """By raw table, or `users` for rows of the daily table that no longer carry what the dimensions hold, `registry`
    for declarations that are not those of the tables."""
    newest: dt.date | None
    """The newest day with events that is not in the future."""
    compared: Compared
    raw_sides: Mapping[str, RawSide] = field(default_factory=dict)
    """What the raw tables without days hold."""
    mistakes: str = ""
    """Of the registry: what keeps it from being built."""


@dataclass(frozen=True)
class Due:
    """What runs can mend."""

    days: tuple[DueDay, ...]
    carrier: dt.date | None
    """The day whose run also refreshes what belongs to no day: users, and events without a day."""
    unreachable: tuple[str, ...]
    """A sentence on days that no run can build."""


def read_changes(
    session: Session,
    calendar: Calendar,
    scope: Scope,
    *,
    registry: Path | None = None,
    known: Mapping[str, RawSide] | None = None,
) -> Changes:
    """Compare the days of the scope, the dimensions, and the registry if its folder is given.

    Of raw tables without days, those that are `known` are not read again.

    Raises:
        WarehouseError: a raw table or a column of it is missing.
    """
    raw_tables = read_raw_tables(session)
    # of every day the newest is among those that are read
    oldest = newest = None
    if scope.since != dt.date.min:
        oldest, newest_built = built_span(session, calendar.today)
        newest = newest_day(session, calendar.today, newest_built)
    since = scope.first_day(newest, oldest)
    there, built = raw_days(session, since, scope.days), built_days(session, since, scope.days)
    newest = max((day for day in there if day is not None and day <= calendar.today), default=newest)
    days = due_days(there, built)
    if not is_built(session, ["fact_user_event"]):
        # no event may ask for it, yet the daily table is made from it
        days.setdefault(None, "no facts")
    extent = Extent(0, 0) if since == dt.date.min else built_extent(session, since)
    sides = {table.name: (known or {}).get(table.name) or raw_side(session, raw_tables, table) for table in DIMENSIONS}
    dimensions = dimension_changes(session, sides)
    state = registry_state(session, registry) if registry else None
    if state and state.difference:
        dimensions[STALE_REGISTRY] = state.difference
    compared = _compared(since, there, built, extent)
    return Changes(days, dimensions, newest, compared, sides, state.mistakes if state else "")


def _compared(
    since: dt.date,
    there: Mapping[dt.date | None, DaySignature],
    built: Mapping[dt.date | None, BuiltDay],
    extent: Extent,
) -> Compared:
    days = {day for day in there.keys() | built.keys() if day is not None}
    newer = {day for day in days if day >= since}
    rows_of_older = sum(built[day].events.num_of_events for day in days - newer if day in built)
    return Compared(
        since,
        len(newer),
        len(days - newer),
        max(len(days), extent.days + len(days - built.keys())),
        extent.rows_before - rows_of_older + sum(events.num_of_events for events in there.values()),
    )


def due_in(calendar: Calendar, changes: Changes, failed: Collection[DueDay] = ()) -> Due:
    """The changed days that are partitions. One of them carries what belongs to no day.

    It is the newest that has not failed, so that users do not wait for a day that keeps failing.
    """
    digests = {day: digest for day, digest in changes.days.items() if day is not None and day in calendar}
    carrier = None
    if changes.dimensions or None in changes.days:
        loose = f"{sorted(changes.dimensions.items())} {changes.days.get(None)}"
        carrier = _carrier(calendar, changes.newest, digests, loose, failed)
        if carrier:
            digests[carrier] = _carried(digests.get(carrier), loose)
    outside = sorted(day for day in changes.days if day is not None and day not in calendar)
    sentences = [
        f"{day} changed but is no partition ({calendar.first} to {calendar.today}): correct its events, move"
        " AB_PIPELINE_START_DATE, or run `dbt build --full-refresh`"
        for day in outside[:3]
    ]
    if len(outside) > 3:
        sentences.append(f"so did {len(outside) - 3} more days that are none")
    return Due(tuple(DueDay(day, digest) for day, digest in digests.items()), carrier, tuple(sentences))


def _carrier(
    calendar: Calendar,
    newest: dt.date | None,
    digests: Mapping[dt.date, str],
    loose: str,
    failed: Collection[DueDay],
) -> dt.date | None:
    for day in sorted(digests, reverse=True):
        if not {DueDay(day, digests[day]), DueDay(day, _carried(digests[day], loose))} & set(failed):
            return day
    latest = newest if newest is not None and newest in calendar else calendar.today
    while latest in digests:
        latest -= dt.timedelta(days=1)
    return latest if latest in calendar else max(digests, default=None)


def _carried(digest: str | None, loose: str) -> str:
    return hashlib.sha256(f"{digest} {loose}".encode()).hexdigest()[:8]
