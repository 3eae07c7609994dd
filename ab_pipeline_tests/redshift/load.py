"""COPY from S3: the files are fetched, checked as Redshift would, and given to PostgreSQL's own COPY as one file."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import duckdb
from botocore.exceptions import ClientError
from sqlglot.tokenizer_core import Token

from ab_pipeline_tests.redshift.messages import RefusedError, SqlError
from ab_pipeline_tests.redshift.statement import Statement, words

_NULL = r"\N"
# word: how many words follow it
_CREDENTIALS = {"IAM_ROLE": 1, "CREDENTIALS": 1, "ACCESS_KEY_ID": 1, "SECRET_ACCESS_KEY": 1, "SESSION_TOKEN": 1}
_OPTIONS = {
    **_CREDENTIALS,
    **dict.fromkeys(("MANIFEST", "GZIP", "EMPTYASNULL", "BLANKSASNULL", "TRUNCATECOLUMNS", "ACCEPTINVCHARS"), 0),
    **dict.fromkeys(("COMPUPDATE", "STATUPDATE", "REGION", "DELIMITER", "IGNOREHEADER", "DATEFORMAT", "TIMEFORMAT"), 1),
    **dict.fromkeys(("NULL", "QUOTE", "MAXERROR", "ENCODING"), 1),
    "FORMAT": 1,
    "CSV": 0,
    "PARQUET": 0,
}


@dataclass(frozen=True)
class Column:
    """A column that is loaded; `bytes` limits a varchar."""

    name: str
    is_text: bool
    bytes: int | None


@dataclass(frozen=True)
class Copy:
    """A COPY statement."""

    table: str
    columns: tuple[str, ...]
    source: str
    options: dict[str, str]

    @classmethod
    def parse(cls, statement: Statement) -> Copy:
        tokens = statement.tokens
        place = statement.words.index("FROM")
        target, source, rest = tokens[1:place], tokens[place + 1], list(tokens[place + 2 :])
        columns: tuple[str, ...] = ()
        if words(target)[-1:] == [")"]:
            opening = words(target).index("(")
            columns = tuple(token.text for token in target[opening + 1 : -1] if token.text != ",")
            target = target[:opening]
        table = statement.sql[target[0].start : target[-1].end + 1]
        return cls(table, columns, source.text, dict(_options(rest)))

    @property
    def format(self) -> str:
        named = self.options.get("FORMAT", "").upper()
        return named or next((name for name in ("CSV", "PARQUET") if name in self.options), "TEXT")


def _options(tokens: list[Token]) -> Iterator[tuple[str, str]]:
    while tokens:
        name = tokens.pop(0).text.upper()
        if name not in _OPTIONS:
            raise _syntax(f'syntax error at or near "{name.lower()}"')
        if tokens and tokens[0].text.upper() == "AS":
            tokens.pop(0)
        if name == "FORMAT" or _OPTIONS[name]:
            yield name, tokens.pop(0).text
        else:
            yield name, ""


@dataclass(frozen=True)
class LoadedFile:
    """A file of a load, and the line of the joined file at which its rows begin."""

    url: str
    first_line: int


@dataclass(frozen=True)
class Load:
    """A COPY that is ready: PostgreSQL's statement for it, and where its rows come from."""

    copy: Copy
    sql: str
    files: tuple[LoadedFile, ...] = ()
    num_of_bytes: int = 0

    def row(self) -> tuple[str, str, str, int, int]:
        """As sys_load_history tells it."""
        return (self.copy.table, self.copy.source, self.copy.format, self.num_of_bytes, len(self.files))

    def file_at(self, line: int) -> tuple[str, int]:
        """Which file, and which of its lines, a line of the joined file is."""
        file = next(file for file in reversed(self.files) if file.first_line <= line)
        return file.url, line - file.first_line + 1 + int(self.copy.options.get("IGNOREHEADER", 0))


def prepare_load(statement: Statement, folder: Path, columns_of: Callable[[str], Sequence[Column]]) -> Load:
    """Fetch what a COPY names into a folder that PostgreSQL's server reads.

    Raises:
        RefusedError: Redshift would not start, or not finish, this load.
    """
    copy = Copy.parse(statement)
    if not _CREDENTIALS.keys() & copy.options.keys():
        raise _syntax("COPY needs IAM_ROLE or other credentials")
    if copy.format not in ("CSV", "PARQUET"):
        raise _syntax(f"the stand-in does not load format {copy.format}")
    there = {column.name: column for column in columns_of(copy.table)}
    if missing := [name for name in copy.columns if name not in there]:
        raise RefusedError(SqlError("42703", f'column "{missing[0]}" of relation "{copy.table}" does not exist'))
    columns = [there[name] for name in copy.columns] or list(there.values())
    s3 = boto3.client("s3")
    joined, num_of_bytes, files, lines = folder / f"{uuid4()}.csv", 0, [], 0
    with joined.open("w", newline="") as output:
        writer = csv.writer(output)
        for url in _urls(s3, copy):
            body = _fetch(s3, url)
            num_of_bytes += len(body)
            files.append(LoadedFile(url, lines + 1))
            for row in _rows(copy, body, folder):
                lines += 1
                writer.writerow(_fields(copy, columns, row, url, lines - files[-1].first_line + 1))
    joined.chmod(0o644)
    names = ", ".join(f'"{column.name}"' for column in columns)
    sql = f"copy {copy.table} ({names}) from '{joined}' (format csv, null '{_NULL}')"
    return Load(copy, sql, tuple(files), num_of_bytes)


def _urls(s3: Any, copy: Copy) -> list[str]:
    bucket, key = _place(copy.source)
    if "MANIFEST" not in copy.options:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        if not listed:
            raise RefusedError(SqlError("XX000", f"The specified S3 prefix '{key}' does not exist"))
        return [f"s3://{bucket}/{item['Key']}" for item in listed]
    urls = []
    for entry in json.loads(_fetch(s3, copy.source))["entries"]:
        if copy.format == "PARQUET" and "content_length" not in entry.get("meta", {}):
            raise RefusedError(SqlError("XX000", "File has no meta.content_length in the manifest"))
        urls.append(entry["url"])
    return urls


def _fetch(s3: Any, url: str) -> bytes:
    bucket, key = _place(url)
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        raise RefusedError(
            SqlError("XX000", f"S3ServiceException:{error.response['Error']['Message']},Status {status},Error {code}")
        ) from error


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.netloc, parts.path.removeprefix("/")


def _rows(copy: Copy, body: bytes, folder: Path) -> Iterator[Sequence[Any]]:
    if copy.format == "PARQUET":
        file = folder / f"{uuid4()}.parquet"
        file.write_bytes(body)
        with duckdb.connect() as connection:
            yield from connection.execute("select * from read_parquet(?)", [str(file)]).fetchall()
        file.unlink()
        return
    text = (gzip.decompress(body) if "GZIP" in copy.options else body).decode()
    reader = csv.reader(io.StringIO(text), delimiter=copy.options.get("DELIMITER", ","))
    yield from list(reader)[int(copy.options.get("IGNOREHEADER", 0)) :]


def _fields(copy: Copy, columns: Sequence[Column], row: Sequence[Any], url: str, line: int) -> list[Any]:
    """An empty field is null for other than texts, and for them with EMPTYASNULL; lengths are bytes."""
    if len(row) != len(columns):
        what = "Extra column(s) found" if len(row) > len(columns) else "Delimiter not found"
        raise LoadRefusedError(copy.table, url, line, "", what)
    fields = []
    for column, value in zip(columns, row, strict=True):
        is_null = value is None or value == copy.options.get("NULL", _NULL)
        is_null = is_null or (value == "" and (not column.is_text or "EMPTYASNULL" in copy.options))
        text = _NULL if is_null else str(value)
        if column.bytes and not is_null and len(text.encode()) > column.bytes:
            if "TRUNCATECOLUMNS" not in copy.options:
                raise LoadRefusedError(copy.table, url, line, column.name, "String length exceeds DDL length")
            text = text.encode()[: column.bytes].decode(errors="ignore")
        fields.append(text)
    return fields


class LoadRefusedError(RefusedError):
    """A row that does not fit. Where it is, sys_load_error_detail says."""

    def __init__(self, table: str, url: str, line: int, column: str, reason: str) -> None:
        super().__init__(load_error(table))
        self.row = (table, url, line, column, reason)


def load_error(table: str) -> SqlError:
    name = table.rsplit(".", maxsplit=1)[-1].strip('"')
    return SqlError(
        "XX000", f"Load into table '{name}' failed.  Check 'sys_load_error_detail' system table for details."
    )


def _syntax(message: str) -> RefusedError:
    return RefusedError(SqlError("42601", message))
