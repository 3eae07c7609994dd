"""Checking a CSV or Parquet file against the contract of a raw table. Nothing here writes."""

from __future__ import annotations

import csv
import glob
import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ab_pipeline.raw_data.contract import Column, RawTable
from ab_pipeline.warehouse.duckdb import DuckDBSession

SHOWN_PROBLEMS = 5
LONGEST_HEADER = 1 << 16  # characters; bounds what a binary file without line breaks can cost

_UNTYPED = "text of a CSV file"
_INTEGERS = "U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?"
_PARQUET_TYPES = {
    "integer": f"{_INTEGERS}|DECIMAL.*|FLOAT|DOUBLE|BOOLEAN",
    "timestamp": "DATE|TIMESTAMP.*",
    "varchar": f"VARCHAR|{_INTEGERS}",
}


class LoadError(Exception):
    """Files could not be loaded, and nothing was. One line a problem, the first few of `count`."""

    def __init__(self, problems: Sequence[str], count: int | None = None) -> None:
        self.problems = tuple(problems[:SHOWN_PROBLEMS])
        self.count = len(problems) if count is None else count
        more = self.count - len(self.problems)
        lines = [*self.problems, *([f"... and {more} more."] if more else [])]
        super().__init__("\n".join([*lines, "Nothing was loaded. Correct this and load again."]))


@dataclass(frozen=True)
class CheckedFile:
    """A file all of whose rows fit the table.

    `select` is DuckDB SQL that yields them with the table's types, in the order of `columns`.
    `version` changes when the file does.
    """

    path: Path
    columns: tuple[Column, ...]
    rows: int
    select: str
    version: tuple[int, ...]


@dataclass(frozen=True)
class _Scan:
    """How DuckDB reads a file: its columns as (name, quoted name, type), and how rows are counted."""

    sql: str
    columns: tuple[tuple[str, str, str], ...]
    place: str
    position: str


@dataclass(frozen=True)
class _Field:
    """SQL over one column of a scan: as found, as the table wants it, and what was expected, if not null."""

    column: Column
    found: str
    value: str
    expected: str


def check_file(session: DuckDBSession, table: RawTable, path: Path) -> CheckedFile:
    """Read the whole file and compare every value with the contract.

    Files end in .csv, .csv.gz or .parquet. Columns are matched by name, in any order and case.
    A CSV is UTF-8, separated by commas, quoted by `"`; an unquoted empty field is null. Timestamps
    are kept to the microsecond, and those that carry an offset or a zone become UTC.

    Raises:
        LoadError: the file cannot be read, or does not fit. CSV problems name the line at which
            the row starts (empty lines are not counted), Parquet problems the row, from 1.
    """
    try:
        if not path.is_file():
            raise LoadError([f"{path} is not a file: name files, such as {path / '*.csv'}"])
        version = file_version(path)
        scan = _scan(session, path)
        fields = _fields(table, path, scan)
        rows, count = _count(session, scan, fields)
        if count:
            raise LoadError(_first_problems(session, path, scan, fields), count)
    except (OSError, EOFError, zlib.error, csv.Error, duckdb.Error) as error:
        raise LoadError([f"{path} cannot be read: {reason(error)}"]) from error
    values = ", ".join(f"{field.value} as {field.column.name}" for field in fields)
    return CheckedFile(
        path=path,
        columns=tuple(field.column for field in fields),
        rows=rows,
        select=f"select {values} from {scan.sql}",
        version=version,
    )


def file_version(path: Path) -> tuple[int, ...]:
    """What differs once the file was replaced or written to."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def reason(error: Exception) -> str:
    """One line of an error: DuckDB's first says where, its last before the advice and settings says what."""
    text = re.split(r"\n+(?:LINE \d|Possible )", str(error))[0]
    lines = [line.strip(" .")[:300] for line in text.splitlines() if line.strip()] or [type(error).__name__]
    return ": ".join(dict.fromkeys((lines[0], lines[-1])))


def _scan(session: DuckDBSession, path: Path) -> _Scan:
    # DuckDB expands patterns too, so a name such as part[1].csv needs escaping.
    literal = _text(glob.escape(str(path)))
    name = path.name.lower()
    if name.endswith(".parquet"):
        # Off, or folders such as day=2025-01-01 would add a column.
        described = session.rows(f"describe select * from read_parquet({literal}, hive_partitioning = false)")
        columns = tuple((_folded(row[0]), _quoted(row[0]), row[1]) for row in described)
        sql = f"read_parquet({literal}, hive_partitioning = false, file_row_number = true)"
        return _Scan(sql, columns, place="row", position="file_row_number + 1")
    if not name.endswith((".csv", ".csv.gz")):
        raise LoadError([f"{path} must end in .csv, .csv.gz or .parquet"])
    header = _csv_header(path)
    columns = tuple((_folded(title), _quoted(_folded(title)), _UNTYPED) for title in header)
    types = ", ".join(f"{_text(column)}: 'varchar'" for column, _, _ in columns)
    sql = (
        f"read_csv({literal}, columns = {{{types}}}, header = true, auto_detect = false,"
        f" delim = ',', quote = '\"', escape = '\"', allow_quoted_nulls = false,"
        f" compression = '{'gzip' if name.endswith('.gz') else 'none'}', hive_partitioning = false)"
    )
    breaks = " + ".join(
        f"case when contains({c}, chr(10)) then len({c}) - len(replace({c}, chr(10), '')) else 0 end"
        for _, c, _ in columns
    )
    # A running sum, and no frame that ends before the row, is what DuckDB computes while it streams.
    position = f"1 + sum(1 + {breaks}) over (rows unbounded preceding) - ({breaks})"
    return _Scan(sql, columns, place="line", position=position)


def _csv_header(path: Path) -> list[str]:
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    # DuckDB names the line that is not UTF-8; decoding more than the header must not fail before.
    with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as lines:
        return next(csv.reader([str(lines.readline(LONGEST_HEADER))]), [])


def _fields(table: RawTable, path: Path, scan: _Scan) -> list[_Field]:
    known = [column.name for column in table.columns]
    found = [name for name, _, _ in scan.columns]
    if not set(found) & set(known):
        expected = f"the column names {','.join(known)}, separated by commas"
        raise LoadError([f"{path} must start with {expected}; found {','.join(found)[:80]!r}"])
    problems = [
        f"{path}, column {name}: unknown; {table.relation} has {', '.join(known)}"
        for name in found
        if name not in known
    ]
    problems += [f"{path}, column {name}: named twice" for name in known if found.count(name) > 1]
    problems += [
        f"{path}, column {column.name}: missing; the file has {', '.join(found)}"
        for column in table.columns
        if column.name not in found and not column.is_optional
    ]
    types = {name: (quoted, type_) for name, quoted, type_ in scan.columns}
    in_file = [column for column in table.columns if column.name in types]
    for column in in_file:
        type_ = types[column.name][1]
        if type_ != _UNTYPED and not re.fullmatch(_PARQUET_TYPES[column.type.split("(")[0]], type_):
            problems.append(f"{path}, column {column.name}: found type {type_}, expected {column.type}")
    if problems:
        raise LoadError(problems)
    return [_field(column, *types[column.name]) for column in in_file]


def _field(column: Column, quoted: str, type_: str) -> _Field:
    # Writers that quote every field leave "" for a missing number; in text, "" is a value.
    source = f"nullif(trim({quoted}), '')" if type_ == _UNTYPED and "varchar" not in column.type else quoted
    if column.type == "integer":
        value = f"try_cast({source} as integer)"
        # The cast alone would round 1.5, and read 0x1F.
        fits = f"try_cast({source} as double) = {value}"
        expected = "a whole number from -2147483648 to 2147483647"
    elif column.type == "timestamp":
        value = _timestamp(source, type_)
        fits = f"isfinite({value})"
        expected = "a timestamp such as 2025-01-31 23:59:59"
    else:
        limit = int(column.type.removeprefix("varchar(").removesuffix(")"))
        value = f"cast({source} as varchar)"
        fits = f"strlen({value}) <= {limit}"
        expected = f"at most {limit} bytes"
        if column.is_key:
            source = f"nullif({value}, '')"
    missing = "'a value: it is a key'" if column.is_key else "null"
    problem = f"case when {source} is null then {missing} when ({fits}) is not true then '{expected}' end"
    return _Field(column, found=quoted, value=value, expected=problem)


def _timestamp(source: str, type_: str) -> str:
    """SQL that gives UTC for what carries an offset, which a plain cast of text ignores."""
    plain = f"try_cast({source} as timestamp)"
    utc = f"timezone('UTC', try_cast({source} as timestamptz))"
    if type_ == _UNTYPED:
        return f"case when regexp_matches({source}, ':.*[-+a-zA-Z]') then {utc} else {plain} end"
    return utc if type_ == "TIMESTAMP WITH TIME ZONE" else plain


def _count(session: DuckDBSession, scan: _Scan, fields: Sequence[_Field]) -> tuple[int, int]:
    """The file's rows, and its problems, in one parallel pass."""
    counts = ", ".join(f"count({field.expected})" for field in fields)
    rows, *problems = session.rows(f"select count(*), {counts} from {scan.sql}")[0]
    return rows, sum(problems)


def _first_problems(session: DuckDBSession, path: Path, scan: _Scan, fields: Sequence[_Field]) -> list[str]:
    """The first problems by row, then by column: a second pass, as counting rows forbids parallelism."""
    expectations = ", ".join(f"{field.expected} as expected_{n}" for n, field in enumerate(fields))
    candidates = ", ".join(
        f"{{ordinal: {n}, name: '{field.column.name}', expected: expected_{n},"
        f" found: left(cast({field.found} as varchar), 40)}}"
        for n, field in enumerate(fields)
    )
    # Below the window the expectations are evaluated once a row; in the filter, DuckDB takes thrice the time.
    problems = session.rows(f"""
        with
            read as (select *, {expectations} from {scan.sql}),
            checked as (select {scan.position} as position, * from read),
            problems as (
                select position, unnest([{candidates}]) as problem
                from checked
                where coalesce({", ".join(f"expected_{n}" for n in range(len(fields)))}) is not null
            )
        select position, problem.name, problem.found, problem.expected
        from problems
        where problem.expected is not null
        order by position, problem.ordinal
        limit {SHOWN_PROBLEMS}
    """)
    return [
        f"{path}, {scan.place} {position}, column {name}:"
        f" found {repr(found) if found else 'nothing'}, expected {expected}"
        for position, name, found, expected in problems
    ]


def _folded(name: str) -> str:
    return name.strip().lower()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
