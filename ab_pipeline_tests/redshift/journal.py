"""What was executed, as sys_query_history and its like tell it. Written to the server only when somebody asks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

from ab_pipeline_tests.redshift.load import Load
from ab_pipeline_tests.redshift.statement import Statement

if TYPE_CHECKING:
    import psycopg2.extensions

_TYPES = {
    **{word: word for word in ("SELECT", "INSERT", "UPDATE", "DELETE", "COPY", "UNLOAD")},
    **dict.fromkeys(("WITH",), "SELECT"),
    **dict.fromkeys(("CREATE", "DROP", "ALTER", "TRUNCATE", "GRANT", "REVOKE"), "DDL"),
}
_SYSTEM_VIEW = re.compile(r"\b(sys|stl|svl|svcs)_\w+", re.IGNORECASE)
_CHANGES = {"INSERT", "UPDATE", "DELETE", "COPY"}
_TARGET = re.compile(r"^ (?:INSERT INTO|DELETE FROM|UPDATE|COPY|CREATE (?:TEMP |TEMPORARY )?TABLE(?: IF NOT EXISTS)?) ")
_query_ids, _transaction_ids = count(1001), count(5001)


@dataclass
class Execution:
    """A statement that runs, or ran."""

    sql: str
    session: int
    transaction: int
    label: str = "default"
    load: Load | None = None
    query_id: int = field(default_factory=lambda: next(_query_ids))
    started: datetime = field(default_factory=lambda: datetime.now(UTC).replace(tzinfo=None))
    ended: datetime | None = None
    error: str | None = None
    num_of_rows: int = 0

    def end(self, *, error: str | None = None, num_of_rows: int = 0) -> None:
        self.ended, self.error, self.num_of_rows = _now(), error, num_of_rows

    @cached_property
    def statement(self) -> Statement:
        return Statement.parse(self.sql)

    @property
    def kind(self) -> str:
        """The query_type of sys_query_history."""
        if self.first_word == "CREATE" and self.statement.is_create_table_as:
            return "CTAS"
        return _TYPES.get(self.first_word, "UTILITY")

    @property
    def first_word(self) -> str:
        """Its own, whatever comment is before it."""
        found = re.match(r"\s*(?:/\*.*?\*/\s*)*(\w+)", self.sql, re.DOTALL)
        return found.group(1).upper() if found else ""

    @property
    def has_written(self) -> bool:
        is_definition = _TYPES.get(self.first_word) == "DDL"
        return is_definition or (self.first_word in _CHANGES and self.num_of_rows > 0)

    @property
    def table(self) -> str | None:
        """What it changes."""
        found = _TARGET.search(self.statement.text)
        if not found:
            return None
        first = self.statement.tokens[found.group(0).count(" ") - 1]
        name = re.match(r'[\w."]+', self.sql[first.start :])
        return name.group(0).replace('"', "") if name else None

    def row(self) -> tuple[Any, ...]:
        status = "failed" if self.error else "success" if self.ended else "running"
        return (
            self.query_id, self.transaction, self.session, self.label, self.kind, status, self.started, self.ended,
            self.error, self.num_of_rows, self.sql, self.table,
        )  # fmt: skip


def next_transaction() -> int:
    return next(_transaction_ids)


@dataclass
class Journal:
    """Every execution of all sessions, in order."""

    open_session: Callable[[], AbstractContextManager[psycopg2.extensions.cursor]]
    executions: list[Execution] = field(default_factory=list)
    transactions: list[tuple[Any, ...]] = field(default_factory=list)
    load_errors: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def statements(self) -> list[str]:
        return [execution.sql for execution in self.executions]

    def is_asked_for(self, sql: str) -> bool:
        return bool(_SYSTEM_VIEW.search(sql))

    def publish(self) -> None:
        """Bring the tables behind the system views up to date."""
        with self.open_session() as cursor:
            cursor.execute(
                "truncate redshift.statement, redshift.finished_transaction, redshift.loaded_file, redshift.load_error"
            )
            _insert(cursor, "statement", [execution.row() for execution in self.executions])
            _insert(cursor, "finished_transaction", self.transactions)
            loads = [(one.query_id, *one.load.row()) for one in self.executions if one.load]
            _insert(cursor, "loaded_file", loads)
            _insert(cursor, "load_error", self.load_errors)

    def note_end_of_transaction(self, executions: Sequence[Execution]) -> None:
        """Of all that ran in one."""
        is_undone = any(one.error or one.first_word in ("ROLLBACK", "ABORT") for one in executions)
        writes = sum(one.has_written for one in executions)
        self.transactions.append(
            (
                executions[0].transaction,
                "aborted" if is_undone else "committed",
                executions[0].started,
                _now(),
                0 if is_undone else writes,
            )
        )

    def note_load_error(self, execution: Execution, row: tuple[Any, ...]) -> None:
        table, url, line, column, reason = row
        self.load_errors.append((execution.query_id, table, url, line, column, reason, _now()))

    def clear(self) -> None:
        self.executions.clear()
        self.transactions.clear()
        self.load_errors.clear()


def _insert(cursor: psycopg2.extensions.cursor, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    for row in rows:
        cursor.execute(f"insert into redshift.{table} values ({', '.join(['%s'] * len(row))})", row)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
