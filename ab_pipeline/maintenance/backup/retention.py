"""Which backups stay."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Kept:
    """How many days, weeks and months keep their newest backup: those that have one, newest first."""

    daily: int
    weekly: int
    monthly: int


@dataclass(frozen=True)
class Age:
    """What retention asks of a backup."""

    name: str
    created_at: dt.datetime
    is_verified: bool


def to_delete(backups: Collection[Age], kept: Kept) -> list[str]:
    """The names to delete, oldest first. The newest stays, and the newest that is verified."""
    newest_first = sorted(backups, key=lambda backup: (backup.created_at, backup.name), reverse=True)
    stays = {backup.name for backup in newest_first[:1]}
    stays |= {backup.name for backup in [backup for backup in newest_first if backup.is_verified][:1]}
    for count, period in ((kept.daily, _day), (kept.weekly, _week), (kept.monthly, _month)):
        stays |= _newest_of_each(newest_first, period, count)
    return [backup.name for backup in reversed(newest_first) if backup.name not in stays]


def _newest_of_each(newest_first: Sequence[Age], period: Callable[[dt.datetime], str], count: int) -> set[str]:
    newest: dict[str, str] = {}
    for backup in newest_first:
        newest.setdefault(period(backup.created_at), backup.name)
    return set(list(newest.values())[:count])


def _day(time: dt.datetime) -> str:
    return time.strftime("%Y-%m-%d")


def _week(time: dt.datetime) -> str:
    return time.strftime("%G-%V")


def _month(time: dt.datetime) -> str:
    return time.strftime("%Y-%m")
