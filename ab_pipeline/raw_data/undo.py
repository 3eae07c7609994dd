"""Taking a file's rows back: each once, or none of them. The same SQL on both targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ab_pipeline.files.errors import SHOWN_PROBLEMS
from ab_pipeline.raw_data import loaded_files
from ab_pipeline.raw_data.column_types import ColumnType
from ab_pipeline.raw_data.contract import RawTable
from ab_pipeline.raw_data.errors import LoadError
from ab_pipeline.raw_data.loaded_files import LoadedFile
from ab_pipeline.warehouse.base import Session


def load_to_undo(session: Session, table: RawTable, path: Path, content: str) -> LoadedFile:
    """The newest load of the content.

    Raises:
        LoadError: it was never loaded, or was taken back.
    """
    loads = loaded_files.loads_of(session, table, content)
    if not loads:
        raise LoadError(
            [f"{path} is not loaded into {table.relation}: it never was, or was taken back, or has been changed since"]
        )
    return loads[-1]


def take_back(session: Session, table: RawTable, types: Mapping[str, ColumnType], load: LoadedFile, taken: str) -> None:
    """Delete one row of the raw table for each row of the relation `taken`, in the transaction that is open.

    `taken` has every column that the raw table has.

    Raises:
        LoadError: names the first rows that are gone from the table; then all of it is to be undone.
    """
    columns = [column.name for column in table.columns if column.name in types]
    listed = ", ".join(columns)
    keys = {column.name for column in table.columns if column.is_key}
    of_file, of_both, same = (", ".join(f"{alias}.{name}" for name in columns) for alias in ("taken", "here", "held"))
    session.run(f"create temporary table taken as select {listed}, count(*) as copies from {taken} group by {listed}")
    session.run(
        f"create temporary table here as select {same}, taken.copies,"
        f" row_number() over (partition by {same} order by held.{columns[0]}) as copy"
        f" from {table.relation} as held join taken on {_match(columns, keys, 'held', 'taken')}"
    )
    gone = session.rows(
        f"select {of_file}, taken.copies - coalesce(found.copies, 0) as missing"
        f" from taken left join (select {listed}, count(*) as copies from here group by {listed}) as found"
        f" on {_match(columns, keys, 'taken', 'found')} where coalesce(found.copies, 0) < taken.copies"
        f" order by {of_file}"
    )
    if gone:
        raise LoadError([_gone(table, load, columns, row) for row in gone[:SHOWN_PROBLEMS]], len(gone))
    session.run(f"delete from {table.relation} using taken where {_match(columns, keys, table.relation, 'taken')}")
    session.run(f"insert into {table.relation} ({listed}) select {of_both} from here where copy > copies")
    for name in ("taken", "here"):
        session.run(f"drop table {name}")
    loaded_files.forget(session, load)


def _match(columns: Sequence[str], keys: set[str], one: str, other: str) -> str:
    """Keys have values, so that the join is by them; another column may be null on both sides."""
    return " and ".join(
        f"{one}.{name} = {other}.{name}"
        if name in keys
        else f"({one}.{name} = {other}.{name} or ({one}.{name} is null and {other}.{name} is null))"
        for name in columns
    )


def _gone(table: RawTable, load: LoadedFile, columns: Sequence[str], row: Sequence[object]) -> str:
    values = ", ".join(f"{name} {value}" for name, value in zip(columns, row, strict=False) if value is not None)
    return f"{load.file}: its row with {values} is gone from {table.relation}"
