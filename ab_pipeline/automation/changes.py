"""What differs between the raw tables and what is built from them, and which days' runs can mend it."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ab_pipeline.automation.plan import DueDay, due_days
from ab_pipeline.automation.signatures import (
    built_days,
    dimension_changes,
    is_built,
    newest_day,
    raw_days,
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
    """By raw table, or `users` for rows of the daily table that no longer carry what the dimensions hold."""
    newest: dt.date | None
    """The newest day with events that is not in the future."""


@dataclass(frozen=True)
class Due:
    """What runs can mend."""

    days: tuple[DueDay, ...]
    carrier: dt.date | None
    """The day whose run also refreshes what belongs to no day: users, and events without a day."""
    unreachable: tuple[str, ...]
    """A sentence on days that no run can build."""


@dataclass(frozen=True)
class Scope:
    """Which days to compare: those within the lookback from the newest, and all from `since` on."""

    lookback: dt.timedelta = dt.timedelta(0)
    since: dt.date = dt.date.max

    def first_day(self, newest: dt.date | None) -> dt.date:
        """The oldest day to compare."""
        if newest is None:
            return dt.date.min
        return min(self.since, dt.date.fromordinal(max(newest.toordinal() - self.lookback.days, 1)))


EVERY_DAY = Scope(since=dt.date.min)


def read_changes(session: Session, calendar: Calendar, scope: Scope) -> Changes:
    """Compare the days of the scope, and the dimensions.

    Raises:
        WarehouseError: a raw table or a column of it is missing.
    """
    raw_tables = read_raw_tables(session)
    newest = newest_day(session, calendar.today)
    since = scope.first_day(newest)
    days = due_days(raw_days(session, since), built_days(session, since))
    if not is_built(session, ["fact_user_event"]):
        # no event may ask for it, yet the daily table is made from it
        days.setdefault(None, "no facts")
    return Changes(days, dimension_changes(session, raw_tables), newest)


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
