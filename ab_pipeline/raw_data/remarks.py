"""What a person is told of a load beside its rows: what was left out, guessed and changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ab_pipeline.files.numbers import decimal_mark
from ab_pipeline.raw_data.column_types import ColumnType
from ab_pipeline.raw_data.contract import RawTable
from ab_pipeline.raw_data.file_rows import FileRows

Types = Mapping[str, ColumnType]


def remarks(
    table: RawTable, files: Sequence[FileRows], there: Types, types: Types, longest: Mapping[str, int]
) -> tuple[str, ...]:
    """A sentence each. `longest` has the bytes of the longest text of each column."""
    return (*_of_files(files), *_of_types(table, there, types), *_of_models(table, types, longest))


def _of_files(files: Sequence[FileRows]) -> Iterator[str]:
    for rows in files:
        yield from rows.scan.notes
        if rows.left_out:
            yield f"{rows.scan.path}: {', '.join(rows.left_out)} left out."
        commas = [column.name for column in rows.columns if decimal_mark(rows.facts[column.name]) == ","]
        if commas:
            yield f"{rows.scan.path}: {', '.join(commas)} read with decimal commas; --decimal . says otherwise."


def _of_types(table: RawTable, there: Types, types: Types) -> Iterator[str]:
    for name, type_ in there.items():
        if types.get(name, type_) != type_:
            yield f"{table.relation}.{name} was {type_}, and is {types[name]}."


def _of_models(table: RawTable, types: Types, longest: Mapping[str, int]) -> Iterator[str]:
    for column in table.columns:
        type_, usual = types.get(column.name, column.usual_type), column.usual_type
        if type_.name != usual.name:
            yield (
                f"{table.relation}.{column.name} is {type_}: the built-in models take {usual}, and refuse to build from"
                " it. Models of your own may read it."
            )
        elif usual.length and longest.get(column.name, 0) > usual.length:
            yield (
                f"{table.relation}.{column.name} has names of {longest[column.name]} bytes: on Redshift the built-in"
                f" models keep {usual.length} of them."
            )
