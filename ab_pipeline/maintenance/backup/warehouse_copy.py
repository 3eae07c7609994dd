"""The DuckDB file, copied while nobody can write it."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Callable
from pathlib import Path

from ab_pipeline.maintenance.backup.manifest import Digest
from ab_pipeline.warehouse.base import Session, WarehouseLockedError
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse

_NAME = "warehouse.duckdb"
_WAIT_SECONDS = 2.0
_COLUMNS = """
    select table_schema, table_name, list(column_name order by ordinal_position)
    from information_schema.columns
    join information_schema.tables using (table_catalog, table_schema, table_name)
    where table_catalog = current_database() and table_type = 'BASE TABLE'
    group by all
    order by all
"""

Progress = Callable[[str], None]


def copy_warehouse(path: Path, archive: Path, patience: float, progress: Progress) -> dict[str, Digest]:
    """Pack the file and its log into a tar.gz; the rows of each table.

    A refresh that is going has `patience` seconds to end.

    Raises:
        WarehouseError: the file is missing or damaged, or the refresh did not end.
    """
    warehouse, waited_until = DuckDBWarehouse(path), time.monotonic() + patience
    while True:
        try:
            with warehouse.open() as session:
                # an open reader shuts writers out, and its snapshot is the file and its log
                tables = _tables(session)
                _pack(path, archive)
            progress(f"warehouse: {len(tables)} tables")
            return tables
        except WarehouseLockedError as error:
            if time.monotonic() > waited_until:
                raise
            progress(f"waiting: {error}")
            time.sleep(_WAIT_SECONDS)


def unpack_warehouse(archive: Path, folder: Path) -> Path:
    """The DuckDB file of an archive, in a folder."""
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return folder / _NAME


def tables_of(path: Path) -> dict[str, Digest]:
    """The rows of each table of a DuckDB file."""
    with DuckDBWarehouse(path).open() as session:
        return _tables(session)


def _pack(path: Path, archive: Path) -> None:
    log = path.with_name(f"{path.name}.wal")
    with tarfile.open(archive, "w:gz", compresslevel=3) as files:
        # closing a file ends this process's lock on it: the database comes last
        if log.exists():
            files.add(log, f"{_NAME}.wal")
        files.add(path, _NAME)


def _tables(session: Session) -> dict[str, Digest]:
    digests = {}
    for schema, table, columns in session.rows(_COLUMNS):
        signature = session.signature([f'"{column}"' for column in columns])
        ((count, found),) = session.rows(f'select count(*), {signature} from "{schema}"."{table}"')
        digests[f"{schema}.{table}"] = Digest(count, found)
    return digests
