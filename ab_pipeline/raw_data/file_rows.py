"""A file seen as rows of a raw table: its columns, the types that they need, and SQL that gives them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from ab_pipeline.files.checks import problems_in, refuse
from ab_pipeline.files.errors import FileError
from ab_pipeline.files.numbers import COMMA, POINT, Facts, decimal_mark, facts_of, file_mark
from ab_pipeline.files.reading import Reading
from ab_pipeline.files.scan import FileColumn, Scan, in_another_encoding, open_scan, unreadable
from ab_pipeline.files.table import into_table
from ab_pipeline.raw_data.column_types import ColumnType, widest
from ab_pipeline.raw_data.contract import Column, RawTable
from ab_pipeline.raw_data.values import Source, is_of_kind, needed_type
from ab_pipeline.warehouse.duckdb import DuckDBSession

_FIRST_ROWS = 20_000


@dataclass(frozen=True)
class FileRows:
    """The rows of a file, of which the first were looked at, or all."""

    table: RawTable
    scan: Scan
    relation: str
    """SQL of the rows."""
    facts: dict[str, Facts]
    """By column of the table: what its values look like."""
    content: str
    """A hash of the file's bytes."""
    version: tuple[int, ...]
    """Changes when the file does."""
    said: Reading
    """What a person said of it."""
    is_studied: bool = False
    """Whether every row was looked at."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The table's columns that the file has."""
        return tuple(column for column in self.table.columns if column.name in self.facts)

    @property
    def left_out(self) -> tuple[str, ...]:
        """The file's columns that the table does not have."""
        sources = _sources(self.table, self.scan).values()
        return tuple(
            column.name or f"column {n}" for n, column in enumerate(self.scan.columns, 1) if column not in sources
        )

    def needed(self) -> dict[str, ColumnType]:
        """The narrowest types that take the values that were looked at."""
        return {column.name: needed_type(column, self.facts[column.name]) for column in self.columns}

    def sources(self) -> list[Source]:
        """What the file has for each of `columns`.

        Raises:
            FileError: nothing tells 1,234 from 1.234.
        """
        found = _sources(self.table, self.scan)
        reading = self.scan.reading
        marks = {c.name: decimal_mark(self.facts[c.name]) for c in self.columns if c.kind in ("count", "amount")}
        of_others = file_mark(marks.values())
        sources: list[Source] = []
        for column in self.columns:
            facts, mark = self.facts[column.name], marks.get(column.name, ".")
            if column.name in marks and not facts.has(POINT, COMMA):
                mark = of_others or mark
            mark = reading.decimal or mark
            if mark is None:
                raise FileError([ambiguous(self.scan.path, found[column.name].name)])
            sources.append(Source(column, found[column.name], facts, mark, reading))
        return sources

    def select(self, types: Mapping[str, ColumnType]) -> str:
        """SQL of the rows in these types, in the order of `columns`, which ends at the first value that is wrong."""
        values = ", ".join(
            f"{one.strict(types[one.column.name], self.table.relation)} as {one.column.name}" for one in self.sources()
        )
        return f"select {values} from {self.relation}"


def ambiguous(path: Path, column: str) -> str:
    """The question that a person has to answer."""
    return f"{path}, column {column}: a number such as 1,234 may be 1234 or 1.234: say --decimal . or --decimal ,"


def look(session: DuckDBSession, table: RawTable, path: Path, reading: Reading, folder: Path) -> FileRows:
    """The file by its first rows.

    Columns are matched by name, in any order and case, or as `reading.columns` says.

    Raises:
        FileError: it cannot be read, or lacks columns.
    """
    scan = open_scan(session, path, reading, folder)
    sources = _checked_sources(table, scan)
    version, content = file_version(path), content_of(path)
    first = f"(select * from {scan.rows} limit {_FIRST_ROWS})"
    try:
        facts = facts_of(session, first, [source.text for source in sources.values()], reading)
    except duckdb.Error:
        # a line that is none is named once all are read
        facts = [Facts({}, 0, 0, 0, 0, None) for _ in sources]
    return FileRows(table, scan, scan.rows, dict(zip(sources, facts, strict=True)), content, version, reading)


def study(
    session: DuckDBSession, rows: FileRows, types: Mapping[str, ColumnType], folder: Path, *, name: str
) -> FileRows:
    """The file by all of its rows, as the temporary table `name`. `types` are those that its values have to fit.

    Raises:
        FileError: the first ten lines that are no rows, and values that do not fit.
    """
    sources = _sources(rows.table, rows.scan)
    try:
        found = into_table(session, rows.scan, list(sources.values()), name, folder)
        facts = facts_of(session, found.relation, [source.text for source in sources.values()], rows.scan.reading)
        studied = replace(
            rows,
            scan=found.scan,
            relation=found.relation,
            facts=dict(zip(sources, facts, strict=True)),
            is_studied=True,
        )
        needed = studied.needed()
        wide_enough = {name: types.get(name) or needed[name] for name in needed}
        fields = [one.field(wide_enough[one.column.name], rows.table.relation) for one in studied.sources()]
        if found.bad_lines or problems_in(session, found.relation, fields):
            raise refuse(session, found.scan, fields, folder)
    except duckdb.Error as error:
        raise unreadable(rows.scan.path, error) from error
    return studied


def re_encoded(rows: FileRows, folder: Path) -> FileRows | None:
    """The same file in another encoding, where a byte showed that it is not in UTF-8."""
    other = in_another_encoding(rows.scan, folder)
    return other and replace(rows, scan=other, relation=other.rows)


def file_version(path: Path) -> tuple[int, ...]:
    """What differs once the file was replaced or written to."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def content_of(path: Path) -> str:
    """A hash of the file's bytes, which is the same wherever the file lies."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def agreed_types(there: Mapping[str, ColumnType], files: Sequence[FileRows]) -> dict[str, ColumnType]:
    """For each column the type of the table, or a wider one that takes the files' values too."""
    found = dict(there)
    for rows in files:
        for name, needed in rows.needed().items():
            found[name] = widest(found[name], needed) if name in found else needed
    return found


def _sources(table: RawTable, scan: Scan) -> dict[str, FileColumn]:
    """The column of the file for each column of the table that it has."""
    by_name: dict[str, FileColumn] = {}
    for column in scan.columns:
        by_name.setdefault(column.name.lower(), column)
    own = {column.name: scan.reading.columns.get(column.name, column.name).lower() for column in table.columns}
    return {name: by_name[source] for name, source in own.items() if source in by_name}


def _checked_sources(table: RawTable, scan: Scan) -> dict[str, FileColumn]:
    sources = _sources(table, scan)
    path, known = scan.path, [column.name for column in table.columns]
    found = [column.name.lower() for column in scan.columns]
    has = ", ".join(column.name for column in scan.columns)[:300]
    if unknown := scan.reading.columns.keys() - set(known):
        raise FileError(
            [f"--columns {min(unknown)}=...: {table.relation} has no such column; it has {', '.join(known)}"]
        )
    if not sources:
        raise FileError(
            [
                f"{path} must start with the column names {','.join(known)}; found {has!r}."
                f" --columns {known[0]}=NAME,... says which is which, --header NAME,... what the columns of a file are"
                " that has no line of names"
            ]
        )
    problems = [
        f"{path}, column {source.name}: named twice"
        for source in sources.values()
        if found.count(source.name.lower()) > 1
    ]
    problems += [
        f"{path}, column {scan.reading.columns.get(column.name, column.name)}: missing; the file has {has}."
        f" --columns {column.name}=NAME says what it is called there"
        for column in table.columns
        if column.name not in sources and (not column.is_optional or column.name in scan.reading.columns)
    ]
    problems += [
        f"{path}, column {source.name}: found type {source.type}, expected {column.usual_type}"
        for column in table.columns
        if (source := sources.get(column.name)) and not is_of_kind(column, source.type)
    ]
    if problems:
        raise FileError(problems)
    return sources
