"""Values that are not what a column takes: how many there are, and where the first of them stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ab_pipeline.files.errors import SHOWN_PROBLEMS, FileError
from ab_pipeline.files.lines import NumberedRows, numbered_rows
from ab_pipeline.files.scan import Scan, unreadable
from ab_pipeline.warehouse.duckdb import DuckDBSession


@dataclass(frozen=True)
class Field:
    """SQL over one column of a scan."""

    name: str
    """Of the column in the file."""
    found: str
    """Its value as it stands there, as text."""
    expected: str
    """What was expected instead, as text; null where the value is right."""


def problems_in(session: DuckDBSession, relation: str, fields: Sequence[Field]) -> int:
    """How many values are not what was expected."""
    if not fields:
        return 0
    counts = ", ".join(f"count({field.expected})" for field in fields)
    return sum(session.rows(f"select {counts} from {relation}")[0])


def refuse(session: DuckDBSession, scan: Scan, fields: Sequence[Field], folder: Path) -> FileError:
    """The error that names the first ten problems, by line then by column; of Parquet by row, from 1."""
    if scan.dialect is None:
        place, rows = "row", NumberedRows(f"(select *, file_row_number + 1 as line from {scan.relation})", (), 0)
    else:
        place, rows = "line", numbered_rows(scan, folder)
    try:
        count = problems_in(session, _not_empty(scan, rows), fields)
        found = _first(session, _not_empty(scan, rows), fields) if count else []
    except duckdb.Error as error:
        return unreadable(scan.path, error)
    listed = sorted([*rows.problems, *found], key=lambda problem: problem[0])
    return FileError([f"{scan.path}, {place} {line}{what}" for line, what in _told(listed)], count + rows.count)


def _told(problems: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    return [(line, what if what.startswith(", ") else f": {what}") for line, what in problems]


def _first(session: DuckDBSession, relation: str, fields: Sequence[Field]) -> list[tuple[int, str]]:
    expectations = ", ".join(f"{field.expected} as expected_{n}" for n, field in enumerate(fields))
    found = ", ".join(f"left({field.found}, 40) as found_{n}" for n, field in enumerate(fields))
    candidates = ", ".join(f"{{ordinal: {n}, expected: expected_{n}, found: found_{n}}}" for n, _ in enumerate(fields))
    rows = session.rows(
        f"""
        with
            checked as (select cast(line as bigint) as line, {found}, {expectations} from {relation}),
            problems as (
                select line, unnest([{candidates}]) as problem from checked
                where coalesce({", ".join(f"expected_{n}" for n in range(len(fields)))}) is not null
            )
        select line, problem.ordinal, problem.found, problem.expected from problems
        where problem.expected is not null
        order by line, problem.ordinal
        limit {SHOWN_PROBLEMS}
        """
    )
    return [
        (line, f", column {fields[n].name}: found {repr(value) if value else 'nothing'}, expected {expected}")
        for line, n, value, expected in rows
    ]


def _not_empty(scan: Scan, rows: NumberedRows) -> str:
    if scan.dialect is None:
        return rows.relation
    return f"{rows.relation} where coalesce({', '.join(column.sql for column in scan.columns)}) is not null"
