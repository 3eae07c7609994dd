"""Dagster's tables as SQLAlchemy knows them, and what a row of each becomes in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ab_pipeline.maintenance.migration.event_ids import (
    INPUT_POINTER,
    migrated_id,
    migrated_pointer,
    with_migrated_ids,
)
from ab_pipeline.maintenance.storage import SqliteStorage

if TYPE_CHECKING:
    from sqlalchemy import Table

Row = dict[str, Any]

# made by Dagster where the tables are made; event_logs is copied run by run
_NOT_COPIED = frozenset({"secondary_indexes", "event_logs"})


@dataclass(frozen=True)
class CopiedTable:
    """A table of one SQLite file."""

    file: Path
    table: Table

    def rows(self, connection: Any) -> Iterator[Row]:
        """Its rows as they are, in a fixed order."""
        yield from _rows(connection, self.table)

    def migrated_rows(self, connection: Any) -> Iterator[Row]:
        """Its rows as they have to be in PostgreSQL, in the same order."""
        change = _CHANGES.get(self.table.name)
        for row in _rows(connection, self.table):
            yield row | change(row) if change else row


def copied_tables(source: SqliteStorage) -> list[CopiedTable]:
    """Every table but the events."""
    from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
    from dagster._core.storage.runs.schema import RunStorageSqlMetadata
    from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata

    files = (
        (source.runs, RunStorageSqlMetadata),
        (source.index, SqlEventLogStorageMetadata),
        (source.schedules, ScheduleStorageSqlMetadata),
    )
    return [
        CopiedTable(file, table)
        for file, metadata in files
        for table in metadata.sorted_tables
        if table.name not in _NOT_COPIED
    ]


def _rows(connection: Any, table: Table) -> Iterator[Row]:
    order = list(table.primary_key.columns) or list(table.columns)
    for row in connection.execute(table.select().order_by(*order)).mappings():
        yield dict(row)


def _asset_key(row: Mapping[str, Any]) -> Row:
    # the cache is made again when it is asked for
    return {"last_materialization": with_migrated_ids(row["last_materialization"]), "cached_status_data": None}


def _asset_event_tag(row: Mapping[str, Any]) -> Row:
    value: str | None = row["value"]
    if value is not None and row["key"].startswith(INPUT_POINTER):
        value = migrated_pointer(value)
    return {"event_id": _id(row["event_id"]), "value": value}


def _check_execution(row: Mapping[str, Any]) -> Row:
    return {
        "evaluation_event": with_migrated_ids(row["evaluation_event"]),
        "evaluation_event_storage_id": _id(row["evaluation_event_storage_id"]),
        "materialization_event_storage_id": _id(row["materialization_event_storage_id"]),
    }


def _body(column: str) -> Callable[[Mapping[str, Any]], Row]:
    return lambda row: {column: with_migrated_ids(row[column])}


def _id(index_id: int | None) -> int | None:
    return None if index_id is None else migrated_id(index_id)


_CHANGES: Mapping[str, Callable[[Mapping[str, Any]], Row]] = {
    "asset_keys": _asset_key,
    "asset_event_tags": _asset_event_tag,
    "asset_check_executions": _check_execution,
    "instigators": _body("instigator_body"),
    "jobs": _body("job_body"),
    "job_ticks": _body("tick_body"),
}
