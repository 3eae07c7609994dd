"""Files into a raw table of Redshift: checked here, staged in S3, copied from there; all of them, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import duckdb

from ab_pipeline.raw_data.contract import SCHEMA, Column, RawTable
from ab_pipeline.raw_data.files import CheckedFile, LoadError, file_version
from ab_pipeline.raw_data.load import LoadSummary, check_files, expand
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import Session, WarehouseError, tables_in, transaction
from ab_pipeline.warehouse.duckdb import DuckDBSession
from ab_pipeline.warehouse.redshift import RedshiftWarehouse
from ab_pipeline.warehouse.retry import retried

# longer than any text that a raw table takes, so no value is taken for a null
_NULL = "~~ no text of a raw table is this long ~~"
# COPY reads the files of a manifest in parallel
_BYTES_PER_FILE = 256 * 1024 * 1024


@dataclass(frozen=True)
class _Staged:
    """Checked rows in S3, and the columns of the files, in order."""

    manifest: str
    columns: tuple[Column, ...]
    rows: int


def load_through_s3(
    settings: Settings, table: RawTable, patterns: Sequence[str], *, replace: bool = False
) -> LoadSummary:
    """Check every file, then append all of them to the table in one transaction. No staged file is left.

    Patterns, checks and `replace` are those of `load`.

    Raises:
        LoadError: a pattern without a match, a file that does not fit or changed meanwhile, or no way into S3. No row
            of the table has changed.
        WarehouseError: Redshift could not be reached, or refused. No row of the table has changed.
    """
    if not settings.s3_staging or not settings.redshift_copy_role:
        raise LoadError(
            ["target redshift loads through S3: set AB_PIPELINE_S3_STAGING and AB_PIPELINE_REDSHIFT_COPY_ROLE"]
        )
    with closing(duckdb.connect()) as connection, TemporaryDirectory() as folder:
        session = DuckDBSession(connection)
        files = check_files(session, table, expand(patterns))
        columns = tuple(column for column in table.columns if any(column in file.columns for file in files))
        parts = [
            part for n, file in enumerate(files) for part in _write_parts(session, file, columns, Path(folder, str(n)))
        ]
        with _staged(settings, parts, columns, sum(file.rows for file in files)) as staged:
            retried(lambda: _copy(settings, table, staged, replace=replace), settings.redshift_retries)
    return LoadSummary(tuple(file.path for file in files), staged.rows)


def _write_parts(session: DuckDBSession, file: CheckedFile, columns: Sequence[Column], folder: Path) -> list[Path]:
    """The file's rows as gzipped CSV, in files of a size that many nodes can share."""
    values = ", ".join(column.name if column in file.columns else f"cast(null as {column.type})" for column in columns)
    session.run(
        f"copy (select {values} from ({file.select})) to '{folder}'"
        f" (format csv, header false, compression gzip, nullstr '{_NULL}', file_size_bytes {_BYTES_PER_FILE})"
    )
    # what was checked is what was written
    if file_version(file.path) != file.version:
        raise LoadError([f"{file.path} changed while it was loaded"])
    return sorted(path for path in folder.rglob("*") if path.is_file())


@contextmanager
def _staged(settings: Settings, parts: Sequence[Path], columns: tuple[Column, ...], rows: int) -> Iterator[_Staged]:
    """The parts and their manifest in S3, below a prefix of their own, until the block is left."""
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, prefix = _place(settings)
    try:
        s3 = boto3.Session(profile_name=settings.redshift_iam_profile, region_name=settings.redshift_region).client(
            "s3"
        )
        keys = [f"{prefix}{number:05}.csv.gz" for number in range(len(parts))]
        entries = [{"url": f"s3://{bucket}/{key}", "mandatory": True} for key in keys]
        manifest = f"{prefix}manifest"
        try:
            for part, key in zip(parts, keys, strict=True):
                s3.upload_file(str(part), bucket, key)
            s3.put_object(Bucket=bucket, Key=manifest, Body=json.dumps({"entries": entries}).encode())
            yield _Staged(f"s3://{bucket}/{manifest}", columns, rows)
        finally:
            _remove(s3, bucket, [*keys, manifest])
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise LoadError([f"{settings.s3_staging} cannot be used for staging: {error}"]) from error


def _remove(s3: Any, bucket: str, keys: Sequence[str]) -> None:
    for first in range(0, len(keys), 1000):
        objects = [{"Key": key} for key in keys[first : first + 1000]]
        s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})


def _place(settings: Settings) -> tuple[str, str]:
    """The bucket, and a prefix that no other load has."""
    url = urlsplit(settings.s3_staging or "")
    return url.netloc, "/".join([*filter(None, url.path.split("/")), str(uuid4()), ""])


def _copy(settings: Settings, table: RawTable, staged: _Staged, *, replace: bool) -> None:
    with RedshiftWarehouse(settings).open(read_only=False) as session:
        _prepare_table(session, table, staged.columns)
        with transaction(session):
            if replace:
                session.run(f"delete from {table.relation}")
            before = _count(session, table)
            names = ", ".join(column.name for column in staged.columns)
            session.run(
                f"copy {table.relation} ({names}) from '{staged.manifest}' iam_role '{settings.redshift_copy_role}'"
                f" manifest format as csv gzip null as '{_NULL}' timeformat 'auto'"
            )
            if (copied := _count(session, table) - before) != staged.rows:
                raise WarehouseError(
                    f"{table.relation}: {copied:,} rows were copied of {staged.rows:,}. Nothing was loaded."
                )


def _count(session: Session, table: RawTable) -> int:
    return session.rows(f"select count(*) from {table.relation}")[0][0]


def _prepare_table(session: Session, table: RawTable, columns: Sequence[Column]) -> None:
    """The table and an optional column that a file has, created where they are missing."""
    if table.name not in tables_in(session, SCHEMA):
        session.run(f"create schema if not exists {SCHEMA}")
        session.run(table.create_statement())
        return
    rows = session.rows(
        f"select column_name from {session.catalog}columns where table_schema = ? and table_name = ?",
        [SCHEMA, table.name],
    )
    there = {name for (name,) in rows}
    for column in columns:
        if column.is_optional and column.name not in there:
            session.run(f"alter table {table.relation} add column {column.name} {column.type}")
