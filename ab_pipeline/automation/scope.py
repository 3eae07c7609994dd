"""Which days a look compares: pure functions.

Where comparing costs next to nothing, every day at each look after a write. Where it costs, the newest days, and older
ones step by step when something was written that the newest do not explain, within a budget an hour.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from ab_pipeline.warehouse.base import TableTrace

_STEP = 8
_NEARLY_ALL = 0.5


@dataclass(frozen=True)
class Scope:
    """Which days to compare: those within the lookback from the newest, all from `since` on, and single older ones."""

    lookback: dt.timedelta = dt.timedelta(0)
    since: dt.date = dt.date.max
    days: frozenset[dt.date] = frozenset()
    step_from: dt.date | None = None
    """How far the look before went back, if this one is to go further."""

    def first_day(self, newest: dt.date | None, oldest: dt.date | None) -> dt.date:
        """The oldest day to compare, beside the single ones."""
        if newest is None:
            return dt.date.min
        first = min(self.since, dt.date.fromordinal(max(newest.toordinal() - self.lookback.days, 1)))
        return min(first, next_step(min(self.step_from, newest), newest, oldest)) if self.step_from else first


EVERY_DAY = Scope(since=dt.date.min)


@dataclass(frozen=True)
class Compared:
    """What one look compared, against what there is."""

    since: dt.date
    """The oldest day; `date.min` stands for every day."""
    days: int
    """From that day on."""
    older_days: int
    """Single ones before it."""
    of: int
    """Days that there are, as far as is known."""
    rows: int
    """That the raw table has, if each day that was not compared has as many as it was built from."""

    @property
    def is_all(self) -> bool:
        """Whether no day was left out."""
        return self.since == dt.date.min

    @property
    def share(self) -> float:
        """Of a comparison of every day."""
        return 1.0 if self.is_all else (self.days + self.older_days) / max(self.of, 1)


@dataclass(frozen=True)
class Budget:
    """How often an hour every day may be compared; None: at each look."""

    per_hour: float | None

    def credit(self, before: float, since: dt.timedelta) -> float:
        """What has come together after a while: one comparison at the most."""
        if self.per_hour is None:
            return 1.0
        return min(1.0, before + since / dt.timedelta(hours=1) * self.per_hour)

    def wait(self, credit: float) -> dt.timedelta:
        """Until the next step may be made."""
        if self.per_hour is None or credit > 0:
            return dt.timedelta(0)
        return dt.timedelta(hours=-credit / self.per_hour)


def next_step(reached: dt.date, newest: dt.date, oldest: dt.date | None) -> dt.date:
    """How far the look after one that reached a day goes back: eight times as far, or to the first day."""
    days = (newest - reached).days + 1
    in_all = (newest - oldest).days + 1 if oldest else days
    further = days * _STEP
    if further >= _NEARLY_ALL * in_all or further >= newest.toordinal():
        return dt.date.min
    return newest - dt.timedelta(days=further - 1)


def explains(compared: Compared, before: TableTrace | None, now: TableTrace) -> bool:
    """Whether the days that were compared account for all that was written to the raw table.

    They do if rows were added and none deleted, and there are as many as older days were built from besides. An update
    deletes a row and adds one, so that its rows could be of any day.
    """
    if before is None or before.table_id != now.table_id:
        return False
    num_of_deleted = (before.rows - before.visible_rows, now.rows - now.visible_rows)
    return num_of_deleted[0] == num_of_deleted[1] and compared.rows == now.visible_rows
