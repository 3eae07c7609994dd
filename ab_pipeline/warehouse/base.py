"""What the rest of the package may ask of a warehouse."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from ab_pipeline.errors import UserError
from ab_pipeline.settings import SCHEMAS

Row = tuple[Any, ...]

BUILT_SCHEMA = SCHEMAS.built_schema
"""Where dbt builds."""

HOW_TO_BUILD = (
    "load raw rows with `ab-pipeline load`, then run `make dev`, which builds every day of them, or"
    " `ab-pipeline refresh`"
)
"""For somebody who finds nothing built."""


class WarehouseError(UserError):
    """The warehouse could not be used. The message says why and what to do."""


class WarehouseLockedError(WarehouseError):
    """Another process holds the warehouse. Trying again later is enough."""

    holder: int | None = None
    """Its process id, where it is known."""


class PermissionDeniedError(WarehouseError):
    """The user may not see or do that."""


class ConflictError(WarehouseError):
    """Another transaction got in the way, and this one was undone. Trying it again is enough."""


@dataclass(frozen=True)
class Identity:
    """Which database it is: what is known of one says nothing about another."""

    name: str
    """What a person calls it."""
    mark: str
    """Tells it from every other, also from one that took its place under the same name."""

    def __str__(self) -> str:
        return f"{self.name} #{self.mark}"


@dataclass(frozen=True)
class TableTrace:
    """What the engine keeps of a table without reading a row of it."""

    table_id: int
    rows: int
    """With those that are deleted and not yet vacuumed: an update adds one."""
    visible_rows: int


@dataclass(frozen=True)
class Writes:
    """What the engine keeps of writes anyway: no row is read."""

    token: str
    """Differs after every write; it may differ without one that matters."""
    tables: Mapping[str, TableTrace] | None = None
    """Of the raw tables by name, those that it can tell of; None where it tells of no table."""
    blind: str = ""
    """Why it tells of no table, where it could."""


class Session(Protocol):
    """One open connection."""

    @property
    def name(self) -> str:
        """What a person calls the warehouse: its file, or its host and database."""
        ...

    @property
    def catalog(self) -> str:
        """What stands before `tables` and `columns` in the names of the views that list them."""
        ...

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Run a query; every row of its result. Parameters stand as `?` in the SQL."""
        ...

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement for its effect."""
        ...

    def insert(self, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> None:
        """Add rows to a table, in few statements. `columns` has the type of each, in the order of a row's values."""
        ...

    def keys(self, dist: str, sort: Sequence[str]) -> str:
        """What stands after the columns of a new table, so that rows with the same `dist` lie together, sorted."""
        ...

    def signature(self, columns: Sequence[str]) -> str:
        """SQL of an aggregate that is equal for equal multisets of rows: dbt's macro of that name."""
        ...


class Warehouse(Protocol):
    """Where raw data lands and the built tables live."""

    @property
    def name(self) -> str:
        """What a person calls it: its file, or its host and database."""
        ...

    def identity(self) -> Identity:
        """Which database it is, without opening it.

        Raises:
            WarehouseError: it is missing.
        """
        ...

    def writes(self, raw_tables: Collection[str] = ()) -> Writes:
        """What was written, as far as it can be told from outside. It costs far less than comparing rows.

        Of the raw tables that are named it tells one by one, where it can.

        Raises:
            WarehouseError: it is out of reach.
        """
        ...

    def open(self, *, read_only: bool = True) -> AbstractContextManager[Session]:
        """A session, closed on leaving the block.

        Raises:
            WarehouseLockedError: another process has it open in a way that excludes this one.
            WarehouseError: it is missing, damaged or out of reach.
        """
        ...


def tables_in(session: Session, schema: str) -> set[str]:
    """The names of the tables and views that a schema has; none if there is no such schema."""
    rows = session.rows(f"select table_name from {session.catalog}tables where table_schema = ?", [schema])
    return {name for (name,) in rows}


@contextmanager
def transaction(session: Session) -> Iterator[Session]:
    """All statements of the block, or none of them."""
    session.run("begin")
    try:
        yield session
    except BaseException:
        # a connection that is lost takes its transaction with it, and must not hide why
        with suppress(WarehouseError):
            session.run("rollback")
        raise
    session.run("commit")
