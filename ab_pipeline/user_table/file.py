"""A file of users as the table `users` of an in-memory DuckDB, and the columns that are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from ab_pipeline.files.checks import Field, problems_in, refuse
from ab_pipeline.files.errors import FileError
from ab_pipeline.files.numbers import COMMA, POINT, TRUTH, Facts, decimal_mark, facts_of, file_mark, real
from ab_pipeline.files.reading import Reading
from ab_pipeline.files.scan import TEXT, FileColumn, Scan, open_scan, unreadable
from ab_pipeline.files.sql import quoted
from ab_pipeline.files.table import into_table
from ab_pipeline.files.words import cleaned, name_of
from ab_pipeline.warehouse.duckdb import DuckDBSession

_NUMBERS = re.compile("U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL.*|FLOAT|DOUBLE|BOOLEAN")


Watch = Callable[[duckdb.DuckDBPyConnection], AbstractContextManager[object]]


class UserTableError(FileError):
    """The file cannot be analysed as asked. The message says what to change."""


@dataclass
class UserFile:
    """An open file. Its table `users` changes while it is prepared: texts become numbers, rows become users."""

    path: Path
    session: DuckDBSession
    scan: Scan
    folder: Path
    bad_lines: int
    weight: str = "1"
    """SQL of how many users a row stands for."""
    facts: dict[str, Facts] = field(default_factory=dict)
    """Of the columns that are numbers already: what they looked like."""
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By column of numbers: the words in it that stand for nothing."""

    @property
    def columns(self) -> dict[str, FileColumn]:
        """By name. Of two with the same name, the first."""
        return {column.name: column for column in reversed(self.scan.columns) if column.name}

    def quoted(self, column: str, option: str) -> str:
        """A column as SQL.

        Raises:
            UserTableError: there is none of that name.
        """
        if column not in self.columns:
            there = ", ".join(dict.fromkeys(column.name for column in self.scan.columns if column.name))
            raise UserTableError([f"{option} {column}: {self.path} has no such column. It has: {there}."])
        return quoted(column)

    def number(self, column: str, option: str) -> str:
        """A column that was made a number, as SQL; where it is empty, zero."""
        return f"coalesce({self.quoted(column, option)}, 0)"

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple]:
        """Every row of a query."""
        return self.session.rows(sql, parameters)

    def make_names(self, columns: Mapping[str, str]) -> None:
        """Make columns, each given with its option, names: without spaces around them, null for nothing."""
        self._replace(
            {column: name_of(self._text(column, option), self.scan.reading) for column, option in columns.items()}
        )

    def make_numbers(self, columns: Mapping[str, str]) -> dict[str, Facts]:
        """Make columns, each given with its option, numbers; what their values looked like.

        Raises:
            FileError: names the first ten values that are no numbers, and lines that are no rows.
        """
        asked = {column: self.columns[column] for column, option in columns.items() if self.quoted(column, option)}
        found = {column: source for column, source in asked.items() if column not in self.facts}
        for column, source in found.items():
            if source.type not in (TEXT, "VARCHAR") and not _NUMBERS.fullmatch(source.type):
                kind = source.type.lower()
                raise UserTableError([f"{columns[column]} {column}: the column is of type {kind}, not of numbers."])
        reading = self.scan.reading
        facts = dict(
            zip(found, facts_of(self.session, "users", [self._text(c, "") for c in found], reading), strict=True)
        )
        marks = {column: decimal_mark(facts[column]) for column in found}
        of_others = file_mark(marks.values())
        values: dict[str, str] = {}
        fields: list[Field] = []
        for column, source in found.items():
            mark = marks[column] if facts[column].has(POINT, COMMA) else of_others or marks[column]
            mark = reading.decimal or mark
            if mark is None:
                raise UserTableError(
                    [
                        f"{self.path}, column {column}: a number such as 1,234 may be 1234 or 1.234:"
                        " say --decimal . or --decimal ,"
                    ]
                )
            if facts[column].count == 0:
                raise UserTableError([f"{columns[column]} {column}: the column has no number in it."])
            is_text = source.type in (TEXT, "VARCHAR")
            values[column] = _double(quoted(column), mark, reading, is_text=is_text)
            of_file = _double(source.sql, mark, reading, is_text=is_text)
            is_there = cleaned(source.text, reading) if is_text else source.sql
            what = f"case when {of_file} is null and {is_there} is not null then 'a number' end"
            fields.append(Field(column, source.text, what))
        checks = [
            Field(c, "''", f"case when {values[c]} is null and {self._there(c)} is not null then '' end") for c in found
        ]
        if self.bad_lines or problems_in(self.session, "users", checks):
            raise refuse(self.session, self.scan, fields, self.folder)
        self.words |= {column: self._words_for_nothing(column) for column in found}
        self._replace(values)
        self.facts |= facts
        return {column: self.facts[column] for column in asked}

    def nothing_in(self, column: str) -> str:
        """` (NA)` where a column has that word for nothing."""
        words = self.words.get(column, ())
        return f" ({', '.join(words)})" if words else ""

    def is_truth(self, column: str, facts: Facts) -> bool:
        """Whether the column says yes or no."""
        return self.columns[column].type == "BOOLEAN" or facts.only(TRUTH)

    def keep(self, select: str) -> None:
        """Put the rows of a query in the place of those of `users`."""
        self.session.run(f"create or replace table users as {select}")

    def _text(self, column: str, option: str) -> str:
        name = self.quoted(column, option) if option else quoted(column)
        return name if self.columns[column].type in (TEXT, "VARCHAR") else f"cast({name} as varchar)"

    def _words_for_nothing(self, column: str) -> tuple[str, ...]:
        if self.columns[column].type not in (TEXT, "VARCHAR"):
            return ()
        word = f"trim({quoted(column)})"
        rows = self.rows(
            f"select distinct {word} from users where {self._there(column)} is null and {word} <> '' order by 1 limit 5"
        )
        return tuple(word for (word,) in rows)

    def _there(self, column: str) -> str:
        is_text = self.columns[column].type in (TEXT, "VARCHAR")
        return cleaned(quoted(column), self.scan.reading) if is_text else quoted(column)

    def _replace(self, values: Mapping[str, str]) -> None:
        if values:
            replaced = ", ".join(f"{sql} as {quoted(column)}" for column, sql in values.items())
            self.keep(f"select * replace ({replaced}) from users")


@contextmanager
def open_users(path: Path, reading: Reading, watch: Watch = lambda _: nullcontext()) -> Iterator[UserFile]:
    """The file, read into memory. `watch` is entered with the connection that reads it.

    Raises:
        FileError: it cannot be read.
        UserTableError: it has no row.
    """
    reading = replace(reading, nulls_in_texts=False)
    with duckdb.connect() as connection, TemporaryDirectory() as folder, watch(connection):
        session = DuckDBSession(connection)
        scan = open_scan(session, path, reading, Path(folder))
        try:
            found = into_table(session, scan, scan.columns, "file_rows", Path(folder))
            scan = found.scan
            columns = _renamed(scan.columns, reading)
            given = ", ".join(
                f"{one.sql} as {quoted(one.name)}" for one in {c.name: c for c in reversed(columns) if c.name}.values()
            )
            session.run(f"create table users as select {given} from {found.relation}")
            session.run("drop table if exists file_rows")
        except duckdb.Error as error:
            raise unreadable(path, error) from error
        scan = replace(scan, columns=tuple(columns))
        file = UserFile(path, session, scan, Path(folder), found.bad_lines)
        if not file.bad_lines and session.rows("select 1 from users limit 1") == []:
            raise UserTableError([f"{path}: the file has no rows."])
        yield file


def _renamed(columns: Sequence[FileColumn], reading: Reading) -> list[FileColumn]:
    """By the names that the person wants."""
    wanted = {own.lower(): name for name, own in reading.columns.items()}
    return [FileColumn(wanted.get(one.name.lower(), one.name), one.sql, one.type) for one in columns]


def _double(name: str, mark: str, reading: Reading, *, is_text: bool) -> str:
    if is_text:
        return real(name, mark, reading)
    value = f"cast({name} as double)"
    return f"case when isfinite({value}) then {value} end"
