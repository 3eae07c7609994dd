"""A text file's columns in a temporary table, whatever the file is like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ab_pipeline.files.lines import numbered_rows
from ab_pipeline.files.scan import FileColumn, Scan, in_another_encoding, unreadable
from ab_pipeline.warehouse.duckdb import DuckDBSession


@dataclass(frozen=True)
class FileTable:
    """Rows that can be asked more than once."""

    scan: Scan
    """Of the file: perhaps in another encoding than was thought at first."""
    relation: str
    """The rows that are not empty throughout."""
    bad_lines: int
    """Lines that are no rows, which are not in it."""


def into_table(session: DuckDBSession, scan: Scan, columns: Sequence[FileColumn], name: str, folder: Path) -> FileTable:
    """The columns of a text file as the temporary table `name`; a Parquet file stays where it is.

    Raises:
        FileError: neither DuckDB nor Python can read the file.
    """
    if scan.dialect is None:
        return FileTable(scan, scan.relation, 0)
    select = f"create or replace temporary table {name} as select {', '.join(column.sql for column in columns)} from"
    try:
        session.run(f"{select} {scan.rows}")
    except duckdb.Error as error:
        if other := in_another_encoding(scan, folder):
            return into_table(session, other, columns, name, folder)
        # lines that end in different ways, say: Python reads them, or says which are no rows
        rows = numbered_rows(scan, folder)
        values = ", ".join(column.sql for column in scan.columns)
        try:
            session.run(f"{select} {rows.relation} where coalesce({values}) is not null")
        except duckdb.Error:
            raise unreadable(scan.path, error) from error
        return FileTable(scan, name, rows.count)
    return FileTable(scan, name, 0)
