"""A warehouse and the real dbt project that builds it, in this process or in one of its own: DuckDB or the stand-in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, cast

import duckdb
import psycopg2.extensions
from dbt.contracts.graph.manifest import Manifest

from ab_pipeline.dbt.api import forget_warehouse, run_dbt
from ab_pipeline.dbt.arguments import DayWindow
from ab_pipeline.paths import PROJECT_DIR
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA
from ab_pipeline.settings import ENV_PREFIX, load_settings
from ab_pipeline.warehouse.base import Session
from ab_pipeline.warehouse.connect import warehouse_of
from ab_pipeline_tests.redshift.server import Redshift
from ab_pipeline_tests.servers import postgres_session

REFRESH = ("build", "--exclude-resource-type", "unit_test", "test", "seed")

_manifests: dict[tuple[object, ...], Manifest] = {}

Rows = list[tuple[Any, ...]]


class DbtError(Exception):
    """dbt did not succeed. The message is dbt's own."""


class Connection(Protocol):
    """What a test asks of a connection; parameters stand as `?`."""

    def execute(self, sql: str, parameters: Any = None, /) -> Any: ...

    def fetchall(self) -> Rows: ...


def days(start: date, end: date) -> DayWindow:
    """The window [start, end)."""
    return DayWindow(datetime.combine(start, time()), datetime.combine(end, time()))


@dataclass(frozen=True)
class DbtWarehouse(ABC):
    """One warehouse. Whether a test runs on it is the matter of the settings in the environment."""

    target_path: Path
    target: ClassVar[str]
    row_id: ClassVar[str]

    @abstractmethod
    def connect(self) -> AbstractContextManager[Connection]:
        """A connection for the test itself, which is not held to what Redshift takes."""

    @abstractmethod
    def clear(self) -> None:
        """Nothing is in it any more."""

    @abstractmethod
    def has_copy(self, name: str) -> bool:
        """Whether `keep_copy` was called with the name."""

    @abstractmethod
    def keep_copy(self, name: str) -> None:
        """What is in it now can be had again by `go_back_to`."""

    @abstractmethod
    def go_back_to(self, name: str) -> None:
        """What is in it is what was there when the copy was kept."""

    def restore(self, name: str, build: Callable[[Self], None]) -> None:
        """What `build` makes of empty raw tables: built once, and copied from then on."""
        if not self.has_copy(name):
            self.create_raw_tables()
            build(self)
            self.keep_copy(name)
        self.go_back_to(name)

    def execute(self, sql: str, parameters: Sequence[Any] | None = None) -> Rows:
        """The rows of one statement. Nothing stays open, so that dbt may come in."""
        with self.connect() as connection:
            return connection.execute(sql, parameters).fetchall()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """As the package itself opens the warehouse, to write."""
        with warehouse_of(load_settings()).open(read_only=False) as session:
            yield session

    def create_raw_tables(self) -> None:
        self.clear()
        self.execute(f"create schema {SCHEMA}")
        for table in RAW_TABLES.values():
            self.execute(table.create_statement())

    def refresh(
        self, window: DayWindow | None = None, *, select: str = "*", full: bool = False, experiments: bool = False
    ) -> None:
        """Build models and snapshots, without the tests, which change nothing, and the seeds, which tests write."""
        arguments = [*REFRESH, "--select", *select.split()]
        if not experiments:
            arguments += ["--exclude", "group:experiments"]
        self.dbt(*arguments, *(["--full-refresh"] if full else []), window=window)

    def dbt(self, *arguments: str, window: DayWindow | None = None) -> None:
        """Run dbt in this process.

        Raises:
            DbtError: with the message of every node that did not succeed.
        """
        try:
            # dbt looks up the source of every frame of its stack at each start, and pytest's stack is deep
            with ThreadPoolExecutor(1) as thread:
                command = self._arguments(*arguments, window=window)
                result = thread.submit(lambda: run_dbt(command, manifest=self._parsed())).result()
        finally:
            forget_warehouse()
        if not result.is_good:
            results = getattr(result.results, "results", [])
            messages = [f"{node.node.name}: {node.message}" for node in results if node.status in ("error", "fail")]
            raise DbtError("\n".join(messages) or result.exception)

    def _parsed(self) -> Manifest:
        """What dbt makes of the project: once for the same settings, which may be part of what it reads."""
        read = (self.target, *sorted(item for item in os.environ.items() if item[0].startswith(ENV_PREFIX)))
        if read not in _manifests:
            _manifests[read] = cast("Manifest", run_dbt(self._arguments("parse", window=None)).results)
        # dbt keeps what it compiles of ephemeral models in it
        return _manifests[read].deepcopy()

    def start_dbt(self, *arguments: str, window: DayWindow | None = None) -> subprocess.Popen[str]:
        """Start dbt in a process of its own, as a person at a terminal would."""
        command = [sys.executable, "-m", "dbt.cli.main", *self._arguments(*arguments, window=window)]
        return subprocess.Popen(
            command, env=os.environ.copy(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def _arguments(self, *arguments: str, window: DayWindow | None) -> list[str]:
        project = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR), "--target", self.target]
        output = ["--target-path", str(self.target_path), "--log-path", str(self.target_path)]
        # writing the manifest takes as long as the rest of a build
        quiet = ["--log-level", "error", "--log-level-file", "none", "--no-write-json"]
        return [arguments[0], *project, *output, *quiet, *arguments[1:], *(window.arguments() if window else [])]


@dataclass(frozen=True)
class DuckDBFile(DbtWarehouse):
    """One DuckDB file, always at the same path: a path that dbt has not parsed with makes it parse again."""

    path: Path
    target = "local"
    row_id = "rowid"

    def connect(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(self.path)

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        # a killed process leaves its log of changes, which would be replayed into the new file
        self.path.with_name(f"{self.path.name}.wal").unlink(missing_ok=True)

    def has_copy(self, name: str) -> bool:
        return self._copy(name).exists()

    def keep_copy(self, name: str) -> None:
        self.target_path.mkdir(exist_ok=True)
        shutil.copy(self.path, self._copy(name))

    def go_back_to(self, name: str) -> None:
        self.clear()
        shutil.copy(self._copy(name), self.path)

    def _copy(self, name: str) -> Path:
        return self.target_path / f"{name}.duckdb"


@dataclass(frozen=True)
class RedshiftDatabase(DbtWarehouse):
    """The database of the stand-in. dbt goes through its proxy, the test itself round it."""

    server: Redshift
    target = "redshift"
    row_id = "ctid"

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with postgres_session(self.server.server_url) as cursor:
            yield _PostgresConnection(cursor)

    def clear(self) -> None:
        self.server.reset()

    def has_copy(self, name: str) -> bool:
        return self.server.has_copy(name)

    def keep_copy(self, name: str) -> None:
        self.server.keep_copy(name)

    def go_back_to(self, name: str) -> None:
        self.server.reset(name)


@dataclass(frozen=True)
class _PostgresConnection:
    cursor: psycopg2.extensions.cursor

    def execute(self, sql: str, parameters: Sequence[Any] | None = None, /) -> Self:
        self.cursor.execute(sql.replace("%", "%%").replace("?", "%s") if parameters else sql, parameters)
        return self

    def fetchall(self) -> Rows:
        return self.cursor.fetchall() if self.cursor.description else []
