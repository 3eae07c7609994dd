"""The embedded warehouse: one DuckDB file."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ab_pipeline.settings import SCHEMAS
from ab_pipeline.warehouse.base import Identity, Row, WarehouseError, WarehouseLockedError, Writes

# with the id that DuckDB gives a file when it makes it, and which no write changes
_HEADER_BYTES = 4096
_SECONDS_BETWEEN_TRIES = 0.1
_SECONDS_BEFORE_A_WORD = 2
_HOLDER = re.compile(r"\(PID (\d+)\)")


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
    patience: float = 0
    """Seconds to wait for whoever holds the file."""
    is_told: bool = False
    """Whether a person hears of it, on standard error."""

    @property
    def name(self) -> str:
        """The path of the file."""
        return str(self.path)

    def identity(self) -> Identity:
        """The file's place on the disk and its own id: neither a renamed file nor a copied one is taken for it.

        It must not be asked while this process has the file open: to close what is read here would end the lock.
        """
        try:
            place = self.path.stat().st_ino
            with self.path.open("rb") as file:
                header = file.read(_HEADER_BYTES)
        except FileNotFoundError:
            raise self._missing() from None
        except OSError as error:
            raise WarehouseError(f"{self.path} cannot be read: {error.strerror}") from error
        content = f"{self.path} {place} {SCHEMAS.raw_schema} {SCHEMAS.built_schema}".encode() + header
        return Identity(self.name, hashlib.sha256(content).hexdigest()[:12])

    def writes(self, raw_tables: Collection[str] = ()) -> Writes:  # noqa: ARG002 a file does not say whose a write is
        """The times and sizes of the file and of its log: every commit changes one of them."""
        files = (self.path, self.path.with_name(f"{self.path.name}.wal"))
        return Writes(f"{self.path} {' '.join(map(_time_and_size, files))}")

    @contextmanager
    def open(self, *, read_only: bool = True) -> Iterator[DuckDBSession]:
        """A session on the file, closed on leaving the block."""
        if read_only and not self.path.exists():
            raise self._missing()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = self._connect(read_only=read_only)
        try:
            yield DuckDBSession(connection)
        except duckdb.Error as error:
            raise WarehouseError(f"{self.path}: {str(error).splitlines()[0]}") from error
        finally:
            connection.close()

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        started, is_to_be_told = time.monotonic(), self.is_told
        while True:
            try:
                return duckdb.connect(self.path, read_only=read_only)
            except duckdb.Error as error:
                explained = _explain(self.path, error)
                waited = time.monotonic() - started
                if not isinstance(explained, WarehouseLockedError) or waited >= self.patience:
                    raise explained from error
                if waited > _SECONDS_BEFORE_A_WORD and is_to_be_told:
                    is_to_be_told = False
                    print(f"{explained}; waiting for {self.patience:.0f} s", file=sys.stderr)
            time.sleep(_SECONDS_BETWEEN_TRIES)

    def _missing(self) -> WarehouseError:
        return WarehouseError(
            f"{self.path} does not exist yet. Fill it with `ab-pipeline sample` or"
            " `ab-pipeline load`, or set AB_PIPELINE_DUCKDB_PATH."
        )


def _time_and_size(path: Path) -> str:
    try:
        stat = path.stat()
    except FileNotFoundError:  # a log may go at any moment
        return "-"
    return f"{stat.st_ino}:{stat.st_mtime_ns}:{stat.st_size}"


def _explain(path: Path, error: duckdb.Error) -> WarehouseError:
    message = str(error)
    if "Could not set lock" in message:
        locked = WarehouseLockedError(f"{path} is in use by another process: {message.splitlines()[0]}")
        if found := _HOLDER.search(message):
            locked.holder = int(found[1])
        return locked
    return WarehouseError(
        f"{path} cannot be opened as a DuckDB file: {message.splitlines()[0]}. If it is damaged,"
        " restore a backup or move it away; raw tables are the only state that cannot be rebuilt."
    )
