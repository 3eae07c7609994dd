"""The production warehouse: Amazon Redshift, provisioned or Serverless."""

from __future__ import annotations

import hashlib
import struct
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import (
    ConflictError,
    Identity,
    PermissionDeniedError,
    Row,
    TableTrace,
    WarehouseError,
    Writes,
)
from ab_pipeline.warehouse.retry import is_conflict

if TYPE_CHECKING:
    import redshift_connector

NOT_PERMITTED = "not permitted to see commits"
BLIND = "svv_table_info and sys_transaction_history may not be read (grant role sys:monitor)"
_ROWS_PER_STATEMENT = 500
_NO_PERMISSION = "42501"
_NOT_LOGGED_IN = {"28000", "28P01"}


@dataclass(frozen=True)
class RedshiftSession:
    """A session on an open connection. Each statement is a transaction of its own, unless one is begun."""

    connection: redshift_connector.Connection
    name: str
    """The host and the database."""

    @property
    def catalog(self) -> str:
        """The prefix of its catalogue views. Those of information_schema leave out late-binding views."""
        return "svv_"

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Every row of a query's result."""
        return [tuple(row) for row in self._execute(sql, parameters).fetchall()]

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement for its effect."""
        self._execute(sql, parameters)

    def insert(self, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a table, 500 a statement: the protocol counts parameters in 16 bits."""
        found = list(rows)
        place = f"({', '.join('?' * len(columns))})"
        for start in range(0, len(found), _ROWS_PER_STATEMENT):
            chunk = found[start : start + _ROWS_PER_STATEMENT]
            self.run(
                f"insert into {table} ({', '.join(columns)}) values {', '.join([place] * len(chunk))}",
                [value for row in chunk for value in row],
            )

    def keys(self, dist: str, sort: Sequence[str]) -> str:
        """How a new table's rows are spread over nodes, and sorted."""
        return f"diststyle key distkey ({dist}) compound sortkey ({', '.join(sort)})"

    def signature(self, columns: Sequence[str]) -> str:
        """SQL of an aggregate that is equal for equal multisets of rows."""
        text = " || ".join(f"coalesce(quote_literal(cast({column} as varchar)), '-')" for column in columns)
        return f"coalesce(cast(sum(cast(farmfingerprint64({text}) as decimal(38, 0))) as varchar(64)), '')"

    def _execute(self, sql: str, parameters: Sequence[Any]) -> redshift_connector.Cursor:
        cursor = self.connection.cursor()
        cursor.paramstyle = "qmark"
        with _explained("Redshift"):
            return cursor.execute(sql, list(parameters) or None)


@dataclass(frozen=True)
class RedshiftWarehouse:
    """The database that the settings name."""

    settings: Settings

    @property
    def name(self) -> str:
        """The host and the database."""
        return f"{self.settings.redshift_host}/{self.settings.redshift_database}"

    def identity(self) -> Identity:
        """The host, the database and the schemas."""
        content = f"{self.name} {self.settings.redshift_port} {self.settings.raw_schema} {self.settings.built_schema}"
        return Identity(self.name, hashlib.sha256(content.encode()).hexdigest()[:12])

    def writes(self, raw_tables: Collection[str] = ()) -> Writes:
        """The newest commit in the cluster, and the size of every table of the pipeline.

        Both are visible to those who may monitor. To others every call is different, as if something was written.
        """
        raw = self.settings.raw_schema
        try:
            with self.open() as session:
                commits = session.rows(
                    "select cast(max(commit_end_time) as varchar) from sys_transaction_history"
                    " where status = 'committed' and blocks_committed > 0"
                )
                # a table may take over the rows of another without a block being written
                sizes = session.rows(
                    'select "schema", "table", table_id, tbl_rows, size, estimated_visible_rows from svv_table_info'
                    ' where "schema" in (?, ?) order by 1, 2',
                    [raw, self.settings.built_schema],
                )
                if commits == [(None,)]:
                    raise PermissionDeniedError("no commit is visible, not even those that made the cluster")
                tables = {
                    table: TableTrace(int(table_id), int(rows), int(rows if visible is None else visible))
                    for schema, table, table_id, rows, _, visible in sizes
                    if schema == raw
                }
                if set(raw_tables) - tables.keys():
                    # it lists no table without rows either
                    names = session.rows(
                        "select table_name from svv_tables where table_schema = ? and table_type = 'BASE TABLE'", [raw]
                    )
                    tables |= {name: TableTrace(0, 0, 0) for (name,) in names if name not in tables}
        except PermissionDeniedError:
            return Writes(f"{NOT_PERMITTED}: {time.time_ns()}", None, BLIND)
        return Writes(hashlib.sha256(f"{commits}{sizes}".encode()).hexdigest(), tables)

    @contextmanager
    def open(self, *, read_only: bool = True) -> Iterator[RedshiftSession]:  # noqa: ARG002 nobody waits for a reader
        """A session, closed on leaving the block; what it did not commit is undone."""
        connection = self._connect()
        session = RedshiftSession(connection, self.name)
        try:
            session.run(f"set query_group to '{self.settings.redshift_query_group}'")
            yield session
        finally:
            with suppress(*_driver_errors()):
                connection.close()

    def _connect(self) -> redshift_connector.Connection:
        import redshift_connector

        settings = self.settings
        with _explained(f"{settings.redshift_host}:{settings.redshift_port}"):
            connection = redshift_connector.connect(
                **_login(settings),
                host=settings.redshift_host,
                port=settings.redshift_port,
                database=settings.redshift_database,
                ssl=settings.redshift_sslmode != "disable",
                sslmode=None if settings.redshift_sslmode == "disable" else settings.redshift_sslmode,
                timeout=settings.redshift_connect_timeout,
                application_name="ab_pipeline",
                tcp_keepalive=True,
            )
        # the driver would go on to count it for every answer: a statement may take longer than a connection
        connection._usock.settimeout(None)
        connection.autocommit = True
        return connection


def _login(settings: Settings) -> dict[str, Any]:
    """The driver's arguments for the way to log in that the settings chose."""
    if settings.redshift_password:
        return {"user": settings.redshift_user, "password": settings.redshift_password.get_secret_value()}
    by_iam = {
        "iam": True,
        "region": settings.redshift_region,
        "profile": settings.redshift_iam_profile,
        # the driver's word for none
        "user": "",
        "password": "",
    }
    if settings.redshift_workgroup:
        return {**by_iam, "is_serverless": True, "serverless_work_group": settings.redshift_workgroup}
    cluster = {**by_iam, "cluster_identifier": settings.redshift_cluster_id}
    if settings.redshift_user:
        return {**cluster, "db_user": settings.redshift_user}
    return {**cluster, "group_federation": True}


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """What the driver raises, as the package's own errors. None of them has a password in it."""
    try:
        yield
    except _driver_errors() as error:
        raise _explain(where, error) from error


def _driver_errors() -> tuple[type[Exception], ...]:
    import redshift_connector
    from botocore.exceptions import BotoCoreError, ClientError

    # a connection that ends within an answer shows as an answer that cannot be unpacked
    return (redshift_connector.Error, OSError, struct.error, BotoCoreError, ClientError)


def _explain(where: str, error: Exception) -> WarehouseError:
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    message = ": ".join(fields[key] for key in ("M", "D") if fields.get(key)) or " ".join(map(str, error.args))
    message = " ".join(message.split()) or type(error).__name__
    code = fields.get("C", "")
    if is_conflict(message):
        return ConflictError(f"{where}: another transaction got in the way ({message})")
    if code == _NO_PERMISSION:
        return PermissionDeniedError(f"{where}: {message}")
    if code in _NOT_LOGGED_IN:
        return WarehouseError(f"{where} does not let us in: {message}. Check the AB_PIPELINE_REDSHIFT_ credentials.")
    if fields:
        return WarehouseError(f"{where}: {message}")
    return WarehouseError(
        f"{where} cannot be reached, or the connection was lost ({message}). Check AB_PIPELINE_REDSHIFT_HOST and _PORT,"
        " the VPC's routes and security group, and that the cluster is not paused."
    )
