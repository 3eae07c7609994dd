"""Opening a CSV or Parquet file of users, and the columns that are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

# the whole file decides a column's type, so that a late odd value is found here and named
_CSV = "read_csv(?, header = true, sample_size = -1)"
_READERS = {".csv": _CSV, ".parquet": "read_parquet(?)"}
_FIRST_REJECT = _CSV.replace(")", ", types = ?, store_rejects = true, rejects_limit = 1, parallel = false)")
_NUMBER = ("INT", "DECIMAL", "FLOAT", "DOUBLE")


class UserTableError(Exception):
    """The file cannot be analysed as asked. The message says what to change."""


@dataclass(frozen=True)
class UserFile:
    """An open file, as the table `users` of an in-memory DuckDB."""

    path: Path
    connection: duckdb.DuckDBPyConnection
    types: dict[str, str]
    """By column."""

    def quoted(self, column: str, option: str) -> str:
        """A column as SQL.

        Raises:
            UserTableError: there is none of that name.
        """
        if column not in self.types:
            there = ", ".join(self.types)
            raise UserTableError(f"{option} {column}: {self.path} has no such column. It has: {there}.")
        return '"' + column.replace('"', '""') + '"'

    def number(self, column: str, option: str) -> str:
        """A column as SQL of a double; where it is empty, zero.

        Raises:
            UserTableError: it holds something else, which the message shows.
        """
        name = self.quoted(column, option)
        kind = self.types[column]
        if kind == "BOOLEAN":
            return f"coalesce(cast({name} as double), 0)"
        if not any(word in kind for word in _NUMBER) or "INTERVAL" in kind:
            self._refuse_text(column, name, kind, option)
        odd = self.rows(f"select {name} from users where not isfinite(cast({name} as double)) limit 1")
        if odd:
            raise UserTableError(f"{option} {column}: {odd[0][0]} is not a finite number.")
        return f"coalesce(cast({name} as double), 0)"

    def is_boolean(self, column: str) -> bool:
        """Whether the column says yes or no."""
        return self.types.get(column) == "BOOLEAN"

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple]:
        """Every row of a query."""
        return self.connection.execute(sql, list(parameters)).fetchall()

    def _refuse_text(self, column: str, name: str, kind: str, option: str) -> None:
        if kind != "VARCHAR":
            raise UserTableError(f"{option} {column}: the column is of type {kind.lower()}, not of numbers.")
        odd = self.rows(
            f"select rowid + 1, {name} from users where {name} is not null and try_cast({name} as double) is null"
            " order by rowid limit 1"
        )
        if not odd:
            raise UserTableError(f"{option} {column}: the column has no number in it.")
        row, value = odd[0]
        place = f"row {row}" if self.path.suffix.lower() == ".parquet" else f"line {self._line_of_text(column, name)}"
        raise UserTableError(f"{option} {column}: {value!r} in {place} is not a number.")

    def _line_of_text(self, column: str, name: str) -> int:
        """The line of the CSV file, as an editor counts, of the column's first value that is not a number.

        Rows are not lines: values may have line breaks, and empty lines are no rows.
        """
        self.rows(f"select max({name}) from {_FIRST_REJECT}", [str(self.path), {column: "double"}])
        [(position,)] = self.rows("select byte_position from reject_errors order by byte_position limit 1")
        return len((self.path.read_bytes()[: position - 1] + b"|").splitlines())


@contextmanager
def open_users(path: Path) -> Iterator[UserFile]:
    """The file, read into memory.

    Raises:
        UserTableError: it does not exist, is neither CSV nor Parquet, cannot be read, or has no row.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UserTableError(f"{path}: the name has to end in {' or '.join(_READERS)}.")
    if not path.is_file():
        raise UserTableError(f"{path}: there is no such file.")
    with duckdb.connect() as connection:
        try:
            connection.execute(f"create table users as select * from {reader}", [str(path)])
        except duckdb.Error as error:
            raise UserTableError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
        types = {name: str(kind) for name, kind, *_ in connection.execute("describe users").fetchall()}
        if connection.execute("select 1 from users limit 1").fetchone() is None:
            raise UserTableError(f"{path}: the file has no rows.")
        yield UserFile(path, connection, types)
