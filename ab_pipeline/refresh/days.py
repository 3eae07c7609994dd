"""Which days a person means: some, all that have events, or those that are due."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ab_pipeline.automation.changes import Calendar, due_in, read_changes
from ab_pipeline.automation.plan import plan_refreshes
from ab_pipeline.automation.scope import EVERY_DAY
from ab_pipeline.automation.signatures import raw_days, read_raw_tables
from ab_pipeline.errors import UserError
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import Warehouse


class RefreshError(UserError):
    """What was asked for cannot be refreshed, or was in vain. The message says why."""


@dataclass(frozen=True)
class Days:
    """A range, both ends included: one run."""

    first: dt.date
    last: dt.date

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


def calendar_of(settings: Settings) -> Calendar:
    """The days that are partitions today."""
    return Calendar(settings.start_date, dt.datetime.now(ZoneInfo(settings.timezone)).date())


def checked(days: Days, calendar: Calendar) -> Days:
    """The days, if each is a partition.

    Raises:
        RefreshError: one is not.
    """
    if days.last < days.first:
        raise RefreshError(f"the last day, {days.last}, is before the first, {days.first}")
    for day in (days.first, days.last):
        if day not in calendar:
            raise RefreshError(
                f"{day} is no partition ({calendar.first} to {calendar.today}): AB_PIPELINE_START_DATE moves the first"
            )
    return days


def every_day(warehouse: Warehouse, calendar: Calendar) -> Days:
    """From the first day with events to the last.

    Raises:
        RefreshError: there is none.
        WarehouseError: the raw tables cannot be read.
    """
    with warehouse.open() as session:
        read_raw_tables(session)
        found = sorted(day for day in raw_days(session, dt.date.min) if day is not None and day in calendar)
    if not found:
        raise RefreshError(f"no day from {calendar.first} to {calendar.today} has events in {warehouse.name}")
    return Days(found[0], found[-1])


def due_days(warehouse: Warehouse, calendar: Calendar, settings: Settings) -> tuple[list[Days], tuple[str, ...]]:
    """The ranges that are not built from what the raw tables hold, whether they failed before or not; and a sentence
    on each day that no run can build.

    Raises:
        WarehouseError: the raw tables cannot be read.
    """
    with warehouse.open() as session:
        changes = read_changes(session, calendar, EVERY_DAY, registry=settings.registry)
    due = due_in(calendar, changes)
    plan = plan_refreshes(
        due.days,
        in_flight={},
        failures={},
        now=dt.datetime.now(dt.UTC),
        max_days_per_run=settings.max_days_per_run,
        max_runs=len(due.days),
    )
    return [Days(refresh.first, refresh.last) for refresh in plan.refreshes], due.unreachable
