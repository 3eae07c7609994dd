"""What the raw-change sensor remembers between two looks, as its cursor. It saves work, and knows of one database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from ab_pipeline.automation.signatures import RawSide
from ab_pipeline.warehouse.base import TableTrace

_VERSION = 2


@dataclass(frozen=True)
class Memory:
    """The state of things at the end of a look. Losing it costs one comparison of every day."""

    database: str
    """The identity of the warehouse; what was seen of another one counts for nothing."""
    token: str = ""
    """What stood for all that was looked at; empty if the next look has to compare whatever it says."""
    due: tuple[dt.date, ...] = ()
    """The days that are due, requested or not: they stay in sight, and are looked at every time."""
    due_since: dt.datetime | None = None
    """Since when there has been such a day."""
    newest: dt.date | None = None
    """The newest day with events that is not in the future."""
    reached: dt.date | None = None
    """The days before this one were not compared since something was written that may be theirs; None: all were."""
    credit: float = 1.0
    """How many comparisons of every day may be made."""
    credited_at: dt.datetime | None = None
    traces: Mapping[str, TableTrace] = field(default_factory=dict)
    """Of the raw tables, where the engine keeps any."""
    dimensions: Mapping[str, RawSide] = field(default_factory=dict)
    """What the raw tables without days held."""
    said: str = ""
    """What the look had to say, and when."""
    busy_since: dt.datetime | None = None
    """Since when somebody else has had the warehouse."""
    version: int = _VERSION

    def to_cursor(self) -> str:
        """As Dagster keeps it."""
        return _ADAPTER.dump_json(self).decode()


_ADAPTER = TypeAdapter(Memory)


def remembered(cursor: str | None) -> Memory | None:
    """What a cursor says; nothing, if it was written by another version of this project."""
    try:
        memory = _ADAPTER.validate_json(cursor or "")
    except ValidationError:
        return None
    return memory if memory.version == _VERSION else None
