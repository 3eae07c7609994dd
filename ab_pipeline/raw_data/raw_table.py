"""A raw table in the warehouse, on both targets: its types, and how it is created, widened and emptied of days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from ab_pipeline.raw_data import loaded_files
from ab_pipeline.raw_data.column_types import ColumnType, parse
from ab_pipeline.raw_data.contract import SCHEMA, RawTable
from ab_pipeline.raw_data.file_rows import FileRows
from ab_pipeline.warehouse.base import Session, tables_in
from ab_pipeline.warehouse.duckdb import DuckDBSession

Types = Mapping[str, ColumnType]


def types_of(session: Session, table: RawTable) -> dict[str, ColumnType]:
    """The types of the contract's columns that the table has; none where there is no such table."""
    rows = session.rows(
        "select column_name, data_type, numeric_precision, numeric_scale, character_maximum_length"
        f" from {session.catalog}columns where table_schema = ? and table_name = ?",
        [SCHEMA, table.name],
    )
    found = {str(name).lower(): parse(*rest) for name, *rest in rows}
    return {column.name: found[column.name] for column in table.columns if column.name in found}


def create(session: Session, table: RawTable, types: Types, files: Sequence[FileRows]) -> None:
    """The schema, the table and an optional column that a file has, where they are missing."""
    if table.name not in tables_in(session, SCHEMA):
        session.run(f"create schema if not exists {SCHEMA}")
        # whatever was loaded before went with the table that was there
        loaded_files.forget_all(session, [table.name])
        session.run(table.create_statement(types))
    else:
        there = types_of(session, table)
        for column in table.columns:
            if column.is_optional and column.name not in there and any(column in rows.columns for rows in files):
                session.run(f"alter table {table.relation} add column {column.name} {types[column.name]}")
    loaded_files.create(session)


def widen(session: Session, table: RawTable, there: Types, types: Types) -> None:
    """Give columns the wider types that files need."""
    for name, type_ in there.items():
        wider = types.get(name, type_)
        if wider == type_:
            continue
        if isinstance(session, DuckDBSession) or {type_.name, wider.name} == {"varchar"}:
            session.run(f"alter table {table.relation} alter column {name} type {wider}")
            continue
        # Redshift changes no type but a varchar's
        session.run(f"alter table {table.relation} add column {name}_wider {wider}")
        session.run(f"update {table.relation} set {name}_wider = cast({name} as {wider})")
        session.run(f"alter table {table.relation} drop column {name}")
        session.run(f"alter table {table.relation} rename column {name}_wider to {name}")


def days_are_among(table: RawTable, days: Iterable[dt.date]) -> str:
    """SQL of a condition on the table's rows: ranges, whose blocks Redshift finds without reading the others."""
    ranges: list[list[dt.date]] = []
    for day in sorted(days):
        if ranges and day == ranges[-1][1]:
            ranges[-1][1] = day + dt.timedelta(days=1)
        else:
            ranges.append([day, day + dt.timedelta(days=1)])
    parts = [f"({table.day} >= '{first}' and {table.day} < '{end}')" for first, end in ranges]
    return f"({' or '.join(parts)})" if parts else "false"
