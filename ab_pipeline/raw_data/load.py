"""Loading files into a raw table: all of them, or nothing, and each content once."""

from __future__ import annotations

import datetime as dt
import glob
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from ab_pipeline.files.errors import FileError
from ab_pipeline.files.reading import Reading
from ab_pipeline.files.scan import reason
from ab_pipeline.raw_data import loaded_files
from ab_pipeline.raw_data.append import Appended, Types, append, study_all, write_all
from ab_pipeline.raw_data.contract import RawTable
from ab_pipeline.raw_data.errors import LoadError, as_load_error
from ab_pipeline.raw_data.file_rows import FileRows, content_of, look
from ab_pipeline.raw_data.loaded_files import LoadedFile
from ab_pipeline.raw_data.raw_table import create, days_are_among, types_of, widen
from ab_pipeline.raw_data.remarks import remarks
from ab_pipeline.raw_data.undo import load_to_undo, take_back
from ab_pipeline.warehouse.base import Session, transaction
from ab_pipeline.warehouse.duckdb import DuckDBSession

Watch = Callable[[duckdb.DuckDBPyConnection], AbstractContextManager[object]]


class Replaced(Enum):
    """Which rows give way to those of the files."""

    NOTHING = auto()
    DAYS = auto()
    """Those of the files' days; of a table whose rows are of no day, all."""
    ALL = auto()


@dataclass(frozen=True)
class LoadOrder:
    """How files are to be loaded."""

    replace: Replaced = Replaced.NOTHING
    again: bool = False
    """Also what was loaded before."""
    widen: bool = False
    """Also what needs a wider type than the table has."""
    reading: Reading = field(default_factory=Reading)
    watch: Watch = lambda _: nullcontext()
    """Entered with the connection that reads the files, so that somebody can be shown how far it is."""


@dataclass(frozen=True)
class LoadSummary:
    """What a load wrote."""

    files: tuple[Path, ...]
    rows: int
    days: tuple[dt.date, ...] = ()
    """That have other rows than before."""
    remarks: tuple[str, ...] = ()
    """What was guessed, left out or changed, a sentence each."""


TAKEN = "rows_of_the_file"
"""The temporary table of DuckDB that rows to take back are in."""
APPEND = LoadOrder()
"""New rows are added, in the types that the table has."""


def load(session: DuckDBSession, table: RawTable, patterns: Sequence[str], order: LoadOrder = APPEND) -> LoadSummary:
    """Append the rows of every file to the table in one transaction, and write down that they were loaded.

    Each pattern is a path or a glob (`**` too); a file that several of them match is loaded once. The schema, the
    table in the types that the files need, and an optional column that a file has are created where they are missing.

    Raises:
        LoadError: a pattern without a match, a file that does not fit, was loaded before or changed meanwhile, or a
            write that failed. The warehouse is as it was.
    """
    with TemporaryDirectory() as folder, order.watch(session.connection):
        files = look_at_all(session, table, patterns, order, Path(folder))
        refuse_what_was_loaded(session, table, files, order)
        there = types_of(session, table)

        def write(files: Sequence[FileRows], types: Types) -> Appended:
            with transaction(session):
                create(session, table, types, files)
                widen(session, table, there, types)
                found = append(session, table, table.relation, files, types)
                if old := _rows_that_give_way(table, order, found):
                    session.run(f"delete from {table.relation} where rowid <= {found.last_row_before} and {old}")
                loaded_files.remember(session, records(table, files, found))
            return found

        try:
            files, types, found = write_all(session, files, there, Path(folder), write, widen=order.widen)
        except (OSError, duckdb.Error) as error:
            raise LoadError([f"{table.relation} could not be written: {reason(error)}"]) from error
        said = remarks(table, files, there, types, found.longest)
    return LoadSummary(tuple(rows.scan.path for rows in files), sum(found.rows), found.days, said)


def undo(session: DuckDBSession, table: RawTable, patterns: Sequence[str], order: LoadOrder) -> LoadSummary:
    """Take back the rows of files that were loaded: each row once, or nothing.

    Raises:
        LoadError: a file was not loaded, or some of its rows are gone.
    """
    with TemporaryDirectory() as folder, order.watch(session.connection), transaction(session):
        types = types_of(session, table)
        loads, found = [], []
        for path in expand(patterns):
            loads.append(load_to_undo(session, table, path, content_of(path)))
            rows = look(session, table, path, Reading.from_json(loads[-1].read_as), Path(folder))
            found.append(rows_to_take_back(session, rows, types, Path(folder)))
            take_back(session, table, types, loads[-1], TAKEN)
    return summary_of_undo(loads, found)


def rows_to_take_back(session: DuckDBSession, rows: FileRows, types: Types, folder: Path) -> Appended:
    """The rows of a file as they were loaded, in the table's types of now, as a temporary table."""
    table = rows.table
    columns = ", ".join(f"{column.name} {types[column.name]}" for column in table.columns if column.name in types)
    [rows] = study_all(session, [rows], types, folder)
    session.run(f"create or replace temporary table {TAKEN} ({columns})")
    return append(session, table, TAKEN, [rows], types)


def summary_of_undo(loads: Sequence[LoadedFile], found: Sequence[Appended]) -> LoadSummary:
    """What was taken back."""
    days = sorted({day for one in found for day in one.days})
    return LoadSummary(tuple(Path(one.file) for one in loads), sum(sum(one.rows) for one in found), tuple(days))


def _rows_that_give_way(table: RawTable, order: LoadOrder, found: Appended) -> str:
    if order.replace == Replaced.ALL or (order.replace == Replaced.DAYS and table.day is None):
        return "true"
    return days_are_among(table, found.days) if order.replace == Replaced.DAYS else ""


def records(table: RawTable, files: Sequence[FileRows], found: Appended) -> list[LoadedFile]:
    """What is written down of each file. No two loads have the same time."""
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    return [
        LoadedFile(
            table.name,
            rows.content,
            str(rows.scan.path),
            rows.said.to_json(),
            count,
            now + dt.timedelta(microseconds=number),
        )
        for number, (rows, count) in enumerate(zip(files, found.rows, strict=True))
    ]


def look_at_all(
    session: DuckDBSession, table: RawTable, patterns: Sequence[str], order: LoadOrder, folder: Path
) -> list[FileRows]:
    """Every file that the patterns name, by its first rows.

    Raises:
        LoadError: the first problems over all files, and how many there are.
    """
    looked: list[FileRows] = []
    failures: list[FileError] = []
    for path in expand(patterns):
        try:
            looked.append(look(session, table, path, order.reading, folder))
        except FileError as error:
            failures.append(error)
    if failures:
        raise as_load_error(*failures)
    return looked


def refuse_what_was_loaded(session: Session, table: RawTable, files: Iterable[FileRows], order: LoadOrder) -> None:
    """A file counts once. With `replace` its rows take the place of what is there, however often.

    Raises:
        LoadError: a content is in the table, or in two of the files.
    """
    if order.again:
        return
    problems: list[str] = []
    seen: dict[str, Path] = {}
    for rows in files:
        path = rows.scan.path
        before = loaded_files.loads_of(session, table, rows.content) if order.replace == Replaced.NOTHING else []
        if before:
            was = before[-1]
            called = "" if was.file == str(path) else f" as {was.file}"
            problems.append(
                f"{path} was loaded into {table.relation} at {was.loaded_at:%Y-%m-%d %H:%M:%S} UTC{called}:"
                " --again loads its rows once more, --undo takes them back"
            )
        elif rows.content in seen:
            problems.append(f"{path} is a copy of {seen[rows.content]}: --again loads both")
        seen.setdefault(rows.content, path)
    if problems:
        raise LoadError(problems)


def expand(patterns: Sequence[str]) -> list[Path]:
    """The files that the patterns name, each once, sorted within a pattern.

    Raises:
        LoadError: names every pattern that no file matches.
    """
    matches = {pattern: _matches(pattern) for pattern in patterns}
    unmatched = [f"{pattern!r} matches no file" for pattern, paths in matches.items() if not paths]
    if unmatched or not patterns:
        raise LoadError(unmatched or ["no file was named"])
    once: dict[Path, Path] = {}
    for path in chain.from_iterable(matches.values()):
        once.setdefault(path.resolve(), path)
    return list(once.values())


def _matches(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    if path.exists():
        return [path]
    return [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 absolute too
