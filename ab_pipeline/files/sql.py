"""Names and texts as DuckDB's SQL."""

from __future__ import annotations


def quoted(name: str) -> str:
    """A name of a column or table."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A text."""
    return "'" + value.replace("'", "''") + "'"


def let(name: str, value: str, body: str) -> str:
    """SQL of `body`, in which `name` stands for the value. Written out each time, it would take seconds to plan."""
    return f"list_transform([{value}], lambda {name}: {body})[1]"
