"""Which files were loaded, as the warehouse remembers it: by their content, whatever they are called."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields

from ab_pipeline.raw_data.contract import SCHEMA, RawTable
from ab_pipeline.warehouse.base import Session, tables_in

TABLE = "loaded_file"
RELATION = f"{SCHEMA}.{TABLE}"
_TYPES = {
    "raw_table": "varchar(64)",
    "content": "varchar(64)",
    "file": "varchar(4096)",
    "read_as": "varchar(8192)",
    "num_of_rows": "bigint",
    "loaded_at": "timestamp",
}


@dataclass(frozen=True)
class LoadedFile:
    """A row of the table: a file that was loaded, once."""

    raw_table: str
    content: str
    """The SHA-256 of its bytes."""
    file: str
    """As it was called."""
    read_as: str
    """What was said of it, as `Reading.to_json` gives it."""
    num_of_rows: int
    loaded_at: dt.datetime
    """UTC."""


def loads_of(session: Session, table: RawTable, content: str) -> list[LoadedFile]:
    """Every load of the content into the table that was not taken back, oldest first."""
    if TABLE not in tables_in(session, SCHEMA):
        return []
    names = ", ".join(field.name for field in fields(LoadedFile))
    rows = session.rows(
        f"select {names} from {RELATION} where raw_table = ? and content = ? order by loaded_at", [table.name, content]
    )
    return [LoadedFile(*row) for row in rows]


def remember(session: Session, files: Iterable[LoadedFile]) -> None:
    """Write down what was loaded, in the transaction that loads it."""
    session.insert(RELATION, _TYPES, [astuple(file) for file in files])


def forget(session: Session, file: LoadedFile) -> None:
    """One load is taken back."""
    session.run(
        f"delete from {RELATION} where raw_table = ? and content = ? and loaded_at = ?",
        [file.raw_table, file.content, file.loaded_at],
    )


def forget_all(session: Session, tables: Sequence[str]) -> None:
    """The tables are made anew: nothing that was loaded is in them."""
    if TABLE in tables_in(session, SCHEMA):
        for table in tables:
            session.run(f"delete from {RELATION} where raw_table = ?", [table])


def create(session: Session) -> None:
    """The table, where it is missing. The schema is there."""
    columns = ", ".join(f"{name} {type_}" for name, type_ in _TYPES.items())
    session.run(f"create table if not exists {RELATION} ({columns})")
