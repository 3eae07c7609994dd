"""The raw tables as the source system lands them: the one place that names their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ab_pipeline.raw_data.column_types import ColumnType, parse
from ab_pipeline.settings import SCHEMAS

SCHEMA = SCHEMAS.raw_schema

UsualType = Literal["integer", "timestamp", "varchar(16)", "varchar(32)"]
Kind = Literal["id", "count", "amount", "time", "name"]


@dataclass(frozen=True)
class Column:
    """One column: its SQL type, what it holds, whether rows need a value, whether the table needs the column."""

    name: str
    type: UsualType
    """The narrowest that it has, which is the one that the built-in models take."""
    kind: Kind
    """An id may be text, an amount may have decimals, a name may be longer than is usual."""
    is_key: bool = False
    is_optional: bool = False

    @property
    def usual_type(self) -> ColumnType:
        """The type as a value."""
        return parse(self.type)


@dataclass(frozen=True)
class RawTable:
    """One raw table and its columns, in order."""

    name: str
    columns: tuple[Column, ...]
    day: str | None = None
    """The time that says which day a row is of; None where rows are of no day."""

    @property
    def relation(self) -> str:
        """The schema-qualified name, as SQL reads it."""
        return f"{SCHEMA}.{self.name}"

    def create_statement(self, types: Mapping[str, ColumnType] | None = None) -> str:
        """SQL that creates the table, optional columns included, if it does not exist. Types are the usual ones."""
        return f"create table if not exists {self.relation} ({self.column_list(types)})"

    def column_list(self, types: Mapping[str, ColumnType] | None = None) -> str:
        """Every column and its type, as a CREATE TABLE has them."""
        return ", ".join(f"{column.name} {(types or {}).get(column.name, column.type)}" for column in self.columns)


USER_EVENT = RawTable(
    "user_event",
    (
        Column("user_id", "integer", "id", is_key=True),
        Column("datestamp", "timestamp", "time", is_key=True),
        Column("item_id", "integer", "id", is_key=True),
        Column("clicked", "integer", "count"),
        Column("purchased", "integer", "count"),
        Column("paidamount", "integer", "amount"),
    ),
    day="datestamp",
)
USER_VARIANT = RawTable(
    "user_variant",
    (
        Column("user_id", "integer", "id", is_key=True),
        Column("variant_id", "varchar(32)", "name", is_key=True),
        Column("assigned_at", "timestamp", "time", is_optional=True),
    ),
)
USER_METADATA = RawTable(
    "user_metadata",
    (
        Column("user_id", "integer", "id", is_key=True),
        Column("age", "varchar(16)", "name"),
        Column("gender", "varchar(16)", "name"),
        Column("updated_at", "timestamp", "time"),
    ),
)
RAW_TABLES = {table.name: table for table in (USER_EVENT, USER_VARIANT, USER_METADATA)}
