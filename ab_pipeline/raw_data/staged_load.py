"""Files into a raw table of Redshift: read here, staged in S3, copied from there; all of them, or nothing."""

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

from ab_pipeline.files.reading import Reading
from ab_pipeline.raw_data import loaded_files
from ab_pipeline.raw_data.append import Appended, Types, append, write_all
from ab_pipeline.raw_data.column_types import varchar, widest
from ab_pipeline.raw_data.contract import SCHEMA, RawTable
from ab_pipeline.raw_data.errors import LoadError
from ab_pipeline.raw_data.file_rows import FileRows, content_of, look
from ab_pipeline.raw_data.load import (
    APPEND,
    TAKEN,
    LoadOrder,
    LoadSummary,
    Replaced,
    expand,
    look_at_all,
    records,
    refuse_what_was_loaded,
    rows_to_take_back,
    summary_of_undo,
)
from ab_pipeline.raw_data.raw_table import create, days_are_among, types_of, widen
from ab_pipeline.raw_data.remarks import remarks
from ab_pipeline.raw_data.undo import load_to_undo, take_back
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import Session, WarehouseError, transaction
from ab_pipeline.warehouse.duckdb import DuckDBSession
from ab_pipeline.warehouse.redshift import RedshiftWarehouse
from ab_pipeline.warehouse.retry import retried

# longer than any text that a raw table takes, so no value is taken for a null
_NULL = "~~ no text of a raw table is this long ~~"
# COPY reads the files of a manifest in parallel
_BYTES_PER_FILE = 256 * 1024 * 1024


@dataclass(frozen=True)
class _Staged:
    """Rows in S3, and the names of their columns, in order."""

    manifest: str
    columns: tuple[str, ...]
    rows: int


def load_through_s3(
    settings: Settings, table: RawTable, patterns: Sequence[str], order: LoadOrder = APPEND
) -> LoadSummary:
    """Append the rows of every file to the table in one transaction. No staged file is left.

    Patterns and `order` are those of `load`.

    Raises:
        LoadError: as `load`, or there is no way into S3. No row of the table has changed.
        WarehouseError: Redshift could not be reached, or refused. No row of the table has changed.
    """
    _check(settings)
    with _scratch(order) as (session, folder):
        files = look_at_all(session, table, patterns, order, folder)
        with RedshiftWarehouse(settings).open() as redshift:
            refuse_what_was_loaded(redshift, table, files, order)
            there = types_of(redshift, table)

        def write(files: Sequence[FileRows], types: Types) -> Appended:
            session.run(f"create or replace table staged ({table.column_list(types)})")
            return append(session, table, "staged", files, types)

        files, types, found = write_all(session, files, there, folder, write, widen=order.widen)
        for name, size in found.longest.items():
            types[name] = widest(types[name], varchar(size)) if name in types else varchar(size)
        columns = tuple(c.name for c in table.columns if any(c in rows.columns for rows in files))
        parts = _write_parts(session, "staged", columns, folder)
        with _in_s3(settings, parts, columns, sum(found.rows)) as staged:

            def copy() -> None:
                with RedshiftWarehouse(settings).open(read_only=False) as redshift:
                    create(redshift, table, types, files)
                    with transaction(redshift):
                        widen(redshift, table, there, types)
                        _replace(redshift, table, order, found)
                        _copy(redshift, settings, table.relation, staged)
                        loaded_files.remember(redshift, records(table, files, found))

            retried(copy, settings.redshift_retries)
        said = remarks(table, files, there, types, found.longest)
    return LoadSummary(tuple(rows.scan.path for rows in files), staged.rows, found.days, said)


def undo_through_s3(settings: Settings, table: RawTable, patterns: Sequence[str], order: LoadOrder) -> LoadSummary:
    """Take back the rows of files that were loaded, each file in one transaction: each row once, or nothing.

    Raises:
        LoadError: a file was not loaded, or some of its rows are gone.
        WarehouseError: Redshift could not be reached, or refused.
    """
    _check(settings)
    loads, found = [], []
    for path in expand(patterns):
        with _scratch(order) as (session, folder):
            with RedshiftWarehouse(settings).open() as redshift:
                load = load_to_undo(redshift, table, path, content_of(path))
                types = types_of(redshift, table)
            rows = look(session, table, path, Reading.from_json(load.read_as), folder)
            taken = rows_to_take_back(session, rows, types, folder)
            columns = tuple(column.name for column in table.columns if column.name in types)
            parts = _write_parts(session, TAKEN, columns, folder)
            with _in_s3(settings, parts, columns, sum(taken.rows)) as staged:

                def take(staged: _Staged = staged, load: loaded_files.LoadedFile = load, types: Types = types) -> None:
                    with (
                        RedshiftWarehouse(settings).open(read_only=False) as redshift,
                        _table_of(redshift, settings, staged, types) as taken,
                        transaction(redshift),
                    ):
                        take_back(redshift, table, types, load, taken)

                retried(take, settings.redshift_retries)
        loads.append(load)
        found.append(taken)
    return summary_of_undo(loads, found)


@contextmanager
def _table_of(session: Session, settings: Settings, staged: _Staged, types: Types) -> Iterator[str]:
    """The staged rows in a table beside the raw ones, which is dropped when the block is left."""
    name = f"{SCHEMA}.taken_back_{uuid4().hex[:8]}"
    session.run(f"create table {name} ({', '.join(f'{column} {types[column]}' for column in staged.columns)})")
    try:
        _copy(session, settings, name, staged)
        yield name
    finally:
        session.run(f"drop table if exists {name}")


def _check(settings: Settings) -> None:
    if not settings.s3_staging or not settings.redshift_copy_role:
        raise LoadError(
            ["target redshift loads through S3: set AB_PIPELINE_S3_STAGING and AB_PIPELINE_REDSHIFT_COPY_ROLE"]
        )


@contextmanager
def _scratch(order: LoadOrder) -> Iterator[tuple[DuckDBSession, Path]]:
    """A DuckDB file of its own and a folder for copies, both gone afterwards."""
    with TemporaryDirectory() as folder:
        (copies := Path(folder, "copies")).mkdir()
        with closing(duckdb.connect(Path(folder, "scratch.duckdb"))) as connection, order.watch(connection):
            yield DuckDBSession(connection), copies


def _write_parts(session: DuckDBSession, relation: str, columns: Sequence[str], folder: Path) -> list[Path]:
    """The rows as gzipped CSV, in files of a size that many nodes can share."""
    place = folder / "parts"
    session.run(
        f"copy (select {', '.join(columns)} from {relation}) to '{place}'"
        f" (format csv, header false, compression gzip, nullstr '{_NULL}', file_size_bytes {_BYTES_PER_FILE})"
    )
    return sorted(path for path in place.rglob("*") if path.is_file())


@contextmanager
def _in_s3(settings: Settings, parts: Sequence[Path], columns: tuple[str, ...], rows: int) -> Iterator[_Staged]:
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


def _replace(session: Session, table: RawTable, order: LoadOrder, found: Appended) -> None:
    if order.replace == Replaced.ALL or (order.replace == Replaced.DAYS and table.day is None):
        session.run(f"delete from {table.relation}")
    elif order.replace == Replaced.DAYS:
        session.run(f"delete from {table.relation} where {days_are_among(table, found.days)}")


def _copy(session: Session, settings: Settings, relation: str, staged: _Staged) -> None:
    before = _count(session, relation)
    session.run(
        f"copy {relation} ({', '.join(staged.columns)}) from '{staged.manifest}'"
        f" iam_role '{settings.redshift_copy_role}' manifest format as csv gzip null as '{_NULL}' timeformat 'auto'"
    )
    if (copied := _count(session, relation) - before) != staged.rows:
        raise WarehouseError(f"{relation}: {copied:,} rows were copied of {staged.rows:,}. Nothing was loaded.")


def _count(session: Session, relation: str) -> int:
    return session.rows(f"select count(*) from {relation}")[0][0]
