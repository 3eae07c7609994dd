"""The embedded warehouse: one DuckDB file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ab_pipeline.warehouse.base import Row, WarehouseError, WarehouseLockedError


@dataclass(frozen=True)
class DuckDBSession:
    """A session on an open DuckDB connection, which engine-specific code may use directly."""

    connection: duckdb.DuckDBPyConnection

    @property
    def name(self) -> str:
        """The path of the file."""
        [(path,)] = self.rows("select path from duckdb_databases() where database_name = current_database()")
        return path or "memory"

    @property
    def catalog(self) -> str:
        """The prefix of its catalogue views."""
        return "information_schema."

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Every row of a query's result."""
        return self.connection.execute(sql, list(parameters)).fetchall()

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement for its effect."""
        self.connection.execute(sql, list(parameters))

    def insert(self, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a table, as one JSON text: a parameter a value takes four times as long."""
        content = json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=str, allow_nan=False)
        self.connection.execute(
            f"insert into {table} ({', '.join(columns)})"
            f" select unnest(from_json(?, '{json.dumps([dict(columns)])}'), recursive := true)",
            [content],
        )

    def keys(self, dist: str, sort: Sequence[str]) -> str:  # noqa: ARG002 its rows lie in one place
        """Nothing."""
        return ""

    def signature(self, columns: Sequence[str]) -> str:
        """SQL of an aggregate that is equal for equal multisets of rows."""
        return f"coalesce(cast(sum(hash(hash({', '.join(columns)}))) as varchar(64)), '')"


@dataclass(frozen=True)
class DuckDBWarehouse:
    """A DuckDB file. Opening it read-only needs the file to exist; for writing it is created."""

    path: Path

    def token(self) -> str:
        """The times and sizes of the file and of its log: every commit changes one of them."""
        files = (self.path, self.path.with_name(f"{self.path.name}.wal"))
        return " ".join(map(_time_and_size, files))

    @contextmanager
    def open(self, *, read_only: bool = True) -> Iterator[DuckDBSession]:
        """A session on the file, closed on leaving the block."""
        if read_only and not self.path.exists():
            raise WarehouseError(
                f"{self.path} does not exist yet. Fill it with `ab-pipeline sample` or"
                " `ab-pipeline load`, or set AB_PIPELINE_DUCKDB_PATH."
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = duckdb.connect(self.path, read_only=read_only)
        except duckdb.Error as error:
            raise _explain(self.path, error) from error
        try:
            yield DuckDBSession(connection)
        except duckdb.Error as error:
            raise WarehouseError(f"{self.path}: {str(error).splitlines()[0]}") from error
        finally:
            connection.close()


def _time_and_size(path: Path) -> str:
    try:
        stat = path.stat()
    except FileNotFoundError:  # a log may go at any moment
        return "-"
    return f"{stat.st_mtime_ns}:{stat.st_size}"


def _explain(path: Path, error: duckdb.Error) -> WarehouseError:
    message = str(error)
    if "Could not set lock" in message:
        return WarehouseLockedError(f"{path} is in use by another process: {message.splitlines()[0]}")
    return WarehouseError(
        f"{path} cannot be opened as a DuckDB file: {message.splitlines()[0]}. If it is damaged,"
        " restore a backup or move it away; raw tables are the only state that cannot be rebuilt."
    )
