"""What grows, and what is known of each run: the facts that a plan is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

GROWTH_DAYS = 7
"""Growth a day is what the last days added, divided by their number."""


class Place(StrEnum):
    """Whose disk something is on."""

    DISK = "this disk"
    SERVER = "PostgreSQL"
    S3 = "S3"


@dataclass(frozen=True)
class Store:
    """One thing that grows."""

    name: str
    place: Place
    bytes: int
    rows: int
    """Rows of a table, or files of a folder."""
    bytes_a_day: float = 0.0
    rows_a_day: float = 0.0
    is_cleaned: bool = True
    """Whether a clean-up makes it smaller. What it does not, the size marks do not count."""
    problem: str = ""
    """Why nothing is known of it."""


@dataclass(frozen=True)
class RunFacts:
    """What decides whether a run stays."""

    run_id: str
    job: str
    status: str
    ended_at: datetime | None
    """None while it is not finished."""
    rows: int = 0
    bytes: int = 0
    """About what removing it frees: its rows, at the table's average, and its files."""
    parents: tuple[str, ...] = ()
    """The runs that it repeats."""


@dataclass(frozen=True)
class Inventory:
    """Everything, at one moment."""

    at: datetime
    stores: tuple[Store, ...]
    runs: tuple[RunFacts, ...]
    needed: Mapping[str, str] = field(default_factory=dict)
    """Run ids that must stay, each with the reason."""

    @property
    def bytes(self) -> int:
        """What a clean-up makes smaller, wherever it is."""
        return sum(store.bytes for store in self.stores if store.is_cleaned)


def full_on(stores: tuple[Store, ...], free: int, today: date) -> date | None:
    """The day on which this disk is full if it fills as in the last days; None if it does not."""
    a_day = sum(store.bytes_a_day for store in stores if store.place == Place.DISK)
    if a_day <= 0 or free / a_day > (date.max - today).days:
        return None
    return today + timedelta(days=int(free / a_day))
