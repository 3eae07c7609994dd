"""Names and texts as DuckDB's SQL."""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name of a column or table."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A text."""
    return "'" + value.replace("'", "''") + "'"
