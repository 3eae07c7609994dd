"""The rows of files into one table of DuckDB, each file read once where its first rows tell what it is like."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from ab_pipeline.files.errors import FileError
from ab_pipeline.files.scan import reason
from ab_pipeline.raw_data.column_types import ColumnType
from ab_pipeline.raw_data.contract import RawTable
from ab_pipeline.raw_data.errors import LoadError, as_load_error
from ab_pipeline.raw_data.file_rows import FileRows, agreed_types, file_version, study
from ab_pipeline.warehouse.duckdb import DuckDBSession

Types = Mapping[str, ColumnType]
_MISFITS = (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.OutOfRangeException)


@dataclass(frozen=True)
class Appended:
    """What was written."""

    rows: tuple[int, ...]
    """Of each file."""
    last_row_before: int
    """DuckDB's number of the last row that was there; those that were written have higher ones."""
    days: tuple[dt.date, ...] = ()
    """Of the rows that were written, where rows are of days."""
    longest: dict[str, int] = field(default_factory=dict)
    """Bytes of the longest text in each column of names or ids that is text."""


class _MisfitError(Exception):
    """A file is not what its first rows were like."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__()


def write_all(
    session: DuckDBSession,
    files: Sequence[FileRows],
    there: Types,
    folder: Path,
    write: Callable[[Sequence[FileRows], Types], Appended],
    *,
    widen: bool,
) -> tuple[list[FileRows], dict[str, ColumnType], Appended]:
    """Let `write` write the files in types that fit all of them: those of the table, or wider ones with `widen`.

    Where a file turns out to be other than its first rows, it is read whole, and `write` is called again; it has to be
    one transaction.

    Raises:
        LoadError: every problem of every file; the first ten of them are told.
    """
    files = list(files)
    while True:
        types = agreed_types(there, files)
        if not widen and any(types[name] != type_ for name, type_ in there.items()):
            files = study_all(session, files, there, folder)
            types = {**types, **there}
        try:
            return files, types, write(files, types)
        except _MisfitError as misfit:
            limits = {} if widen else there
            name = f"studied_{misfit.number}"
            try:
                files[misfit.number] = study(session, files[misfit.number], limits, folder, name=name)
            except FileError:
                files = study_all(session, files, limits, folder)


def append(session: DuckDBSession, table: RawTable, relation: str, files: Sequence[FileRows], types: Types) -> Appended:
    """Append the rows of every file to a relation that has the table's columns, in the transaction that is open."""
    [(last,)] = session.rows(f"select coalesce(max(rowid), -1) from {relation}")
    counts: list[int] = []
    for number, rows in enumerate(files):
        names = ", ".join(column.name for column in rows.columns)
        try:
            [(count,)] = session.rows(f"insert into {relation} ({names}) {rows.select(types)}")
        except _MISFITS as error:
            if rows.is_studied:
                raise LoadError([f"{rows.scan.path} cannot be read: {reason(error)}"]) from error
            raise _MisfitError(number) from error
        # what was checked is what was written, or all of it is undone
        if file_version(rows.scan.path) != rows.version:
            raise LoadError([f"{rows.scan.path} changed while it was loaded"])
        counts.append(count)
    return replace(_measured(session, table, relation, types, last), rows=tuple(counts), last_row_before=last)


def _measured(session: DuckDBSession, table: RawTable, relation: str, types: Types, last: int) -> Appended:
    there = {row[0] for row in session.rows(f"describe {relation}")}
    texts = [c.name for c in table.columns if c.name in there and types.get(c.name, c.usual_type).name == "varchar"]
    lengths = ", ".join(f"max(strlen({name}))" for name in texts)
    days = (
        session.rows(
            f"select distinct cast({table.day} as date) as day from {relation} where rowid > {last} order by day"
        )
        if table.day
        else []
    )
    longest = session.rows(f"select {lengths} from {relation} where rowid > {last}")[0] if texts else ()
    return Appended(
        (), last, tuple(day for (day,) in days), dict(zip(texts, (size or 0 for size in longest), strict=True))
    )


def study_all(session: DuckDBSession, files: Sequence[FileRows], limits: Types, folder: Path) -> list[FileRows]:
    """Every file by all of its rows, whose values have to fit the types.

    Raises:
        LoadError: the first problems over all files, and how many there are.
    """
    studied: list[FileRows] = []
    failures: list[FileError] = []
    for number, rows in enumerate(files):
        try:
            studied.append(study(session, rows, limits, folder, name=f"studied_{number}"))
        except FileError as error:
            failures.append(error)
    if failures:
        raise as_load_error(*failures)
    return studied
