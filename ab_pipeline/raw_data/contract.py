"""The raw tables as the source system lands them: the one place that names their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ab_pipeline.settings import SCHEMAS

SCHEMA = SCHEMAS.raw_schema

ColumnType = Literal["integer", "timestamp", "varchar(16)", "varchar(32)"]


@dataclass(frozen=True)
class Column:
    """One column: its SQL type, whether rows need a value, whether the table needs the column."""

    name: str
    type: ColumnType
    is_key: bool = False
    is_optional: bool = False


@dataclass(frozen=True)
class RawTable:
    """One raw table and its columns, in order."""

    name: str
    columns: tuple[Column, ...]

    @property
    def relation(self) -> str:
        """The schema-qualified name, as SQL reads it."""
        return f"{SCHEMA}.{self.name}"

    def create_statement(self) -> str:
        """SQL that creates the table, optional columns included, if it does not exist."""
        columns = ", ".join(f"{column.name} {column.type}" for column in self.columns)
        return f"create table if not exists {self.relation} ({columns})"


USER_EVENT = RawTable(
    "user_event",
    (
        Column("user_id", "integer", is_key=True),
        Column("datestamp", "timestamp", is_key=True),
        Column("item_id", "integer", is_key=True),
        Column("clicked", "integer"),
        Column("purchased", "integer"),
        Column("paidamount", "integer"),
    ),
)
USER_VARIANT = RawTable(
    "user_variant",
    (
        Column("user_id", "integer", is_key=True),
        Column("variant_id", "varchar(32)", is_key=True),
        Column("assigned_at", "timestamp", is_optional=True),
    ),
)
USER_METADATA = RawTable(
    "user_metadata",
    (
        Column("user_id", "integer", is_key=True),
        Column("age", "varchar(16)"),
        Column("gender", "varchar(16)"),
        Column("updated_at", "timestamp"),
    ),
)
RAW_TABLES = {table.name: table for table in (USER_EVENT, USER_VARIANT, USER_METADATA)}
