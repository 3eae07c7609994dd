"""The SQL types that raw columns may have, and which of two takes the values of both."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce

_LONGEST = 65_535
_ALIASES = {
    "integer": "integer",
    "int": "integer",
    "int4": "integer",
    "bigint": "bigint",
    "int8": "bigint",
    "numeric": "decimal",
    "decimal": "decimal",
    "varchar": "varchar",
    "text": "varchar",
    "character varying": "varchar",
    "timestamp": "timestamp",
    "timestamp without time zone": "timestamp",
}
_WHOLE_DIGITS = {"integer": 10, "bigint": 19}


@dataclass(frozen=True)
class ColumnType:
    """`integer`, `bigint`, `decimal`, `varchar`, `timestamp`, or another that a table has and nothing here makes."""

    name: str
    precision: int = 0
    """Of a decimal."""
    scale: int = 0
    """Of a decimal."""
    length: int | None = None
    """Of a varchar, in bytes; None where it has no limit."""

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.name == "varchar" and self.length:
            return f"varchar({self.length})"
        return self.name

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return self.name in _WHOLE_DIGITS


INTEGER, BIGINT, TIMESTAMP = ColumnType("integer"), ColumnType("bigint"), ColumnType("timestamp")


def varchar(bytes_: int, at_least: int = 1) -> ColumnType:
    """A varchar that takes so many bytes, its length a power of two, so that a byte more is no other type."""
    return ColumnType("varchar", length=min(_LONGEST, max(at_least, 1 << max(0, bytes_ - 1).bit_length())))


def decimal(digits: int, scale: int) -> ColumnType:
    """A decimal with so many digits before and behind the point, at least decimal(18,2)."""
    scale = max(2, scale)
    return ColumnType("decimal", min(38, max(18, digits + scale)), scale)


def parse(text: str, precision: int | None = None, scale: int | None = None, length: int | None = None) -> ColumnType:
    """A type as a catalogue or a contract writes it."""
    found = re.fullmatch(r"([\w ]+?)\s*(?:\((\d+)(?:\s*,\s*(\d+))?\))?", text.strip().lower())
    name = _ALIASES.get(found[1]) if found else None
    if name is None or found is None:
        return ColumnType(text.lower())
    numbers = [int(one) for one in found.groups()[1:] if one]
    if name == "decimal":
        return ColumnType(name, numbers[0] if numbers else precision or 18, numbers[1] if numbers[1:] else scale or 0)
    if name == "varchar":
        return ColumnType(name, length=numbers[0] if numbers else length)
    return ColumnType(name)


def widest(*types: ColumnType) -> ColumnType:
    """The type that takes every value of all of them: integer, bigint, decimal, varchar, in this order."""
    return reduce(_wider, types)


def _wider(one: ColumnType, other: ColumnType) -> ColumnType:
    if one == other:
        return one
    names = {one.name, other.name}
    if names == {"varchar"}:
        return ColumnType("varchar", length=max(one.length, other.length) if one.length and other.length else None)
    if names <= {"integer", "bigint"}:
        return BIGINT
    if names <= {"integer", "bigint", "decimal"}:
        scale = max(one.scale, other.scale)
        digits = max(_WHOLE_DIGITS.get(each.name, each.precision - each.scale) for each in (one, other))
        return ColumnType("decimal", min(38, digits + scale), scale)
    if names <= {"integer", "bigint", "decimal", "varchar"}:
        text = one if one.name == "varchar" else other
        number = other if text is one else one
        digits = _WHOLE_DIGITS.get(number.name, number.precision + 1) + 1
        return ColumnType("varchar", length=max(text.length, digits) if text.length else None)
    # what nothing here makes is the table's own: it takes what it can
    return one
