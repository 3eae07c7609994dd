"""A DuckDB file and the real dbt project that builds it, in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import duckdb
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.adapters.factory import cleanup_connections, reset_adapters
from dbt.cli.main import dbtRunner

from ab_pipeline.dbt.arguments import DayWindow
from ab_pipeline.dbt.project import PROJECT_DIR
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA

REFRESH = ("build", "--exclude-resource-type", "unit_test", "test", "seed")


class DbtError(Exception):
    """dbt did not succeed. The message is dbt's own."""


def days(start: date, end: date) -> DayWindow:
    """The window [start, end)."""
    return DayWindow(datetime.combine(start, time()), datetime.combine(end, time()))


@dataclass(frozen=True)
class DbtWarehouse:
    """One DuckDB file, always at the same path: a path that dbt has not parsed with makes it parse again."""

    path: Path
    target_path: Path

    def connect(self) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(self.path)

    def execute(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """The rows of one statement. The file is closed again, so that dbt may open it."""
        with self.connect() as connection:
            return connection.execute(sql, parameters).fetchall()

    def create_raw_tables(self) -> None:
        self.path.unlink(missing_ok=True)
        # a killed process leaves its log of changes, which would be replayed into the new file
        self.path.with_name(f"{self.path.name}.wal").unlink(missing_ok=True)
        self.execute(f"create schema {SCHEMA}")
        for table in RAW_TABLES.values():
            self.execute(table.create_statement())

    def refresh(self, window: DayWindow | None = None, *, select: str = "*", full: bool = False) -> None:
        """Build models and snapshots, without the tests, which change nothing."""
        arguments = [*REFRESH, "--select", *select.split()]
        self.dbt(*arguments, *(["--full-refresh"] if full else []), window=window)

    def dbt(self, *arguments: str, window: DayWindow | None = None) -> None:
        """Run dbt in this process.

        Raises:
            DbtError: with the message of every node that did not succeed.
        """
        try:
            result = dbtRunner().invoke(self._arguments(*arguments, window=window))
        finally:
            close_the_file()
        if not result.success:
            results = getattr(result.result, "results", [])
            messages = [f"{node.node.name}: {node.message}" for node in results if node.status in ("error", "fail")]
            raise DbtError("\n".join(messages) or str(result.exception))

    def start_dbt(self, *arguments: str, window: DayWindow | None = None) -> subprocess.Popen[str]:
        """Start dbt in a process of its own, as a person at a terminal would."""
        command = [sys.executable, "-m", "dbt.cli.main", *self._arguments(*arguments, window=window)]
        return subprocess.Popen(
            command, env=os.environ.copy(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def _arguments(self, *arguments: str, window: DayWindow | None) -> list[str]:
        project = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR), "--target", "local"]
        output = ["--target-path", str(self.target_path), "--log-path", str(self.target_path)]
        quiet = ["--log-level", "error", "--log-level-file", "none"]
        return [arguments[0], *project, *output, *quiet, *arguments[1:], *(window.arguments() if window else [])]


def close_the_file() -> None:
    """dbt-duckdb keeps the file open for the life of the process, and an exception's traceback even beyond."""
    environment = DuckDBConnectionManager._ENV
    if environment is not None:
        environment.close()
    cleanup_connections()
    reset_adapters()
