"""A file as a relation that DuckDB reads: the one reader of `load` and `analyze`."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from ab_pipeline.files import workbook
from ab_pipeline.files.compression import compression_of, damages
from ab_pipeline.files.dialect import Dialect, find_dialect
from ab_pipeline.files.encoding import UTF_8, encoding_at_the_start, other_than_utf_8, written_as_utf_8
from ab_pipeline.files.errors import FileError
from ab_pipeline.files.reading import Reading
from ab_pipeline.files.sql import literal, quoted
from ab_pipeline.files.words import unquoted_nulls
from ab_pipeline.warehouse.duckdb import DuckDBSession

TEXT = "text"
"""The type of a column of a file that has none."""


@dataclass(frozen=True)
class FileColumn:
    """One column: its name, without spaces around it, SQL that gives its value, and DuckDB's type or `TEXT`."""

    name: str
    sql: str
    type: str

    @property
    def text(self) -> str:
        """SQL of its values as text."""
        return self.sql if self.type in (TEXT, "VARCHAR") else f"cast({self.sql} as varchar)"


@dataclass(frozen=True)
class Scan:
    """How a file is read: a relation of DuckDB's, and its columns."""

    path: Path
    relation: str
    columns: tuple[FileColumn, ...]
    reading: Reading
    notes: tuple[str, ...] = ()
    """Sentences about what was found out or left out."""
    encoding: str = ""
    dialect: Dialect | None = None
    """None of Parquet, which says itself what it holds."""
    text_path: Path | None = None
    """Where its text is: the file, or a copy that DuckDB can read."""

    @property
    def rows(self) -> str:
        """The relation without rows that are empty throughout, such as the tail of an Excel sheet."""
        if self.dialect is None:
            return self.relation
        values = ", ".join(column.sql for column in self.columns)
        return f"(select * from {self.relation} where coalesce({values}) is not null)"


def open_scan(session: DuckDBSession, path: Path, reading: Reading, folder: Path) -> Scan:
    """Find out how a file is to be read. Copies in UTF-8, where one is needed, go into the folder.

    Raises:
        FileError: there is no such file, it is damaged, or it is in an encoding that nobody named.
    """
    if not path.is_file():
        raise FileError([f"{path}: there is no such file" if not path.exists() else f"{path} is not a file"])
    try:
        if path.stat().st_size == 0:
            raise FileError([f"{path} cannot be read: the file is empty"])
        if _is_parquet(path):
            return _parquet(session, path, reading)
        if path.suffix.lower() in workbook.ENDINGS:
            copy, note = workbook.written_as_csv(path, _copy_of(path, folder))
            scan = _text_scan(path, copy, replace(reading, delimiter=",", encoding=None), UTF_8)
            return replace(scan, notes=(note,) if note else ())
        encoding = reading.encoding or encoding_at_the_start(path)
        return in_encoding(path, encoding, reading, folder)
    except (duckdb.Error, *damages()) as error:
        raise unreadable(path, error) from error


def in_encoding(path: Path, encoding: str, reading: Reading, folder: Path) -> Scan:
    """A text file that is in the encoding."""
    is_plain = encoding == UTF_8 and compression_of(path) in (None, "gzip", "zstd")
    text_path = path if is_plain else written_as_utf_8(path, encoding, _copy_of(path, folder))
    scan = _text_scan(path, text_path, reading, UTF_8)
    if reading.encoding or encoding == UTF_8:
        return scan
    name = "windows-1252 (latin-1)" if encoding == "cp1252" else encoding
    return replace(
        scan, encoding=encoding, notes=(f"{path} is not UTF-8: it is read as {name}; --encoding says otherwise.",)
    )


def in_another_encoding(scan: Scan, folder: Path) -> Scan | None:
    """The same file, where it began as UTF-8 and a later byte showed that it is not; else None.

    Raises:
        FileError: it is damaged.
    """
    if scan.dialect is None or scan.encoding != UTF_8 or scan.reading.encoding or scan.path.suffix in workbook.ENDINGS:
        return None
    return in_encoding(scan.path, other_than_utf_8(scan.path), scan.reading, folder)


def unreadable(path: Path, error: Exception) -> FileError:
    """The error of whoever read the file, as a sentence."""
    return FileError([f"{path} cannot be read: {reason(error)}"])


def reason(error: Exception) -> str:
    """One line of an error: DuckDB's first says where, its last before the advice and settings says what."""
    text = re.split(r"\n+(?:LINE \d|Possible )", str(error))[0]
    lines = [line.strip(" .")[:300] for line in text.splitlines() if line.strip()] or [type(error).__name__]
    return ": ".join(dict.fromkeys((lines[0], lines[-1])))


def relation_of(path: Path, dialect: Dialect, width: int, reading: Reading, *, skip: int) -> str:
    """SQL of the rows of a UTF-8 text, all values as text."""
    types = ", ".join(f"'c{n}': 'varchar'" for n in range(width))
    nulls = ", ".join(map(literal, unquoted_nulls(reading)))
    compression = compression_of(path) or "none"
    strictly = "" if dialect.escape == '"' else ", strict_mode = false"
    return (
        # DuckDB expands patterns too, so that a name such as part[1].csv needs escaping
        f"read_csv({literal(glob.escape(str(path)))}, columns = {{{types}}}, header = false, skip = {skip},"
        f" auto_detect = false, delim = {literal(dialect.delimiter)}, quote = '\"', escape = {literal(dialect.escape)},"
        f" nullstr = [{nulls}], allow_quoted_nulls = false, compression = '{compression}',"
        f" hive_partitioning = false{strictly})"
    )


def _text_scan(path: Path, text_path: Path, reading: Reading, encoding: str) -> Scan:
    dialect = find_dialect(text_path, UTF_8, reading)
    if not dialect.header:
        raise FileError([f"{path} must start with a line of column names; it has none"])
    width = len(dialect.header)
    return Scan(
        path,
        relation_of(text_path, dialect, width, reading, skip=dialect.skipped_lines),
        tuple(FileColumn(name, f"c{n}", TEXT) for n, name in enumerate(dialect.header)),
        reading,
        encoding=encoding,
        dialect=dialect,
        text_path=text_path,
    )


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix.lower() in (".parquet", ".pq") or file.read(4) == b"PAR1"


def _parquet(session: DuckDBSession, path: Path, reading: Reading) -> Scan:
    # off, or folders such as day=2025-01-01 would add a column; texts of old writers are bytes
    options = f"{literal(glob.escape(str(path)))}, hive_partitioning = false, binary_as_string = true"
    described: Sequence[tuple] = session.rows(f"describe select * from read_parquet({options})")
    columns = tuple(FileColumn(row[0].strip(), quoted(row[0]), row[1]) for row in described)
    return Scan(path, f"read_parquet({options}, file_row_number = true)", columns, reading)


def _copy_of(path: Path, folder: Path) -> Path:
    return folder / f"{len(list(folder.iterdir()))}-{path.stem[:40]}.csv"
