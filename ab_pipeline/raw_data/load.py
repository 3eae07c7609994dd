"""Loading files into a raw table of the embedded warehouse: all of them, or nothing."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import duckdb

from ab_pipeline.raw_data.contract import SCHEMA, RawTable
from ab_pipeline.raw_data.files import CheckedFile, LoadError, check_file, file_version, reason
from ab_pipeline.warehouse.base import transaction
from ab_pipeline.warehouse.duckdb import DuckDBSession


@dataclass(frozen=True)
class LoadSummary:
    """What a load wrote."""

    files: tuple[Path, ...]
    rows: int


def load(session: DuckDBSession, table: RawTable, patterns: Sequence[str], *, replace: bool = False) -> LoadSummary:
    """Check every file, then append all of them to the table in one transaction.

    Each pattern is a path or a glob (`**` too); a file that several of them match is loaded once.
    The schema, the table and an optional column that a file has are created where they are missing.
    With `replace` the table's rows are deleted in the same transaction.

    Raises:
        LoadError: a pattern without a match, a file that does not fit or changed meanwhile, or a
            write that failed. The warehouse is as it was.
    """
    files = check_files(session, table, expand(patterns))
    try:
        with transaction(session):
            _write(session, table, files, replace=replace)
    except (OSError, duckdb.Error) as error:
        raise LoadError([f"{table.relation} could not be written: {reason(error)}"]) from error
    return LoadSummary(tuple(file.path for file in files), sum(file.rows for file in files))


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


def check_files(session: DuckDBSession, table: RawTable, paths: Sequence[Path]) -> list[CheckedFile]:
    """Check every file, also after one that fails.

    Raises:
        LoadError: the first problems over all files, and how many there are.
    """
    checked: list[CheckedFile] = []
    failures: list[LoadError] = []
    for path in paths:
        try:
            checked.append(check_file(session, table, path))
        except LoadError as error:
            failures.append(error)
    if failures:
        problems = [problem for failure in failures for problem in failure.problems]
        raise LoadError(problems, sum(failure.count for failure in failures))
    return checked


def _matches(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    if path.exists():
        return [path]
    return [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 absolute too


def _write(session: DuckDBSession, table: RawTable, files: Sequence[CheckedFile], *, replace: bool) -> None:
    session.run(f"create schema if not exists {SCHEMA}")
    session.run(table.create_statement())
    for column in table.columns:
        if column.is_optional and any(column in file.columns for file in files):
            session.run(f"alter table {table.relation} add column if not exists {column.name} {column.type}")
    if replace:
        session.run(f"delete from {table.relation}")
    for file in files:
        names = ", ".join(column.name for column in file.columns)
        session.run(f"insert into {table.relation} ({names}) {file.select}")
        # What was checked is what was written, or all of it is undone.
        if file_version(file.path) != file.version:
            raise LoadError([f"{file.path} changed while it was loaded"])
