"""SQLite to PostgreSQL: each table, and each run's events, in a transaction that also notes that it is done.

A killed migration goes on where it was; at the end every row is compared, in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ab_pipeline.maintenance.backup.manifest import MATERIALIZED_PARTITIONS
from ab_pipeline.maintenance.lock import only_one
from ab_pipeline.maintenance.migration.event_ids import ids_of_run, migrated_id, with_migrated_ids
from ab_pipeline.maintenance.migration.tables import Row, copied_tables
from ab_pipeline.maintenance.storage import PostgresStorage, SqliteStorage, StorageError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_DONE = "ab_pipeline_migration"
_NO_SHARD = "events of runs without a file"
_BATCH = 1000
_WORK = "a migration"

Progress = Callable[[str], None]


def migrate(source: SqliteStorage, target: PostgresStorage, progress: Progress) -> None:
    """Copy everything, and compare. Neither storage may be in use.

    Raises:
        StorageError: the target holds something else, a schema is not the newest, or a row differs; the source is
            never changed. Or a clean-up, a backup, a restore or another migration is at work.
    """
    from sqlalchemy.exc import SQLAlchemyError

    _refuse_old_schema(source)
    try:
        with only_one(source, _WORK), only_one(target, _WORK), _engine(target.sqlalchemy_url) as engine:
            done = _prepare(engine, target)
            if done:
                progress(f"going on: {len(done):,} steps are done")
            _copy_tables(source, engine, done, progress)
            _copy_events(source, engine, done, progress)
            _set_sequences(engine)
            _compare(source, engine, progress)
            with engine.begin() as connection:
                connection.exec_driver_sql(f"drop table {_DONE}")
    except SQLAlchemyError as error:
        raise StorageError(f"{target}: {' '.join(str(error).split())[:500]}") from error


def _refuse_old_schema(source: SqliteStorage) -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION

    config = Config()
    config.set_main_option("script_location", ALEMBIC_SCRIPTS_LOCATION)
    config.set_main_option("path_separator", "os")
    newest = ScriptDirectory.from_config(config).get_current_head()
    for path in (source.runs, source.index, source.schedules):
        if not path.exists():
            raise StorageError(f"{path} does not exist: is DAGSTER_HOME right, and has Dagster run once?")
        with _opened(path) as connection:
            found = connection.exec_driver_sql("select version_num from alembic_version").scalar()
        if found != newest:
            raise StorageError(f"{path} has schema {found}, not {newest}: run `dagster instance migrate` first")


def _prepare(engine: Engine, target: PostgresStorage) -> set[str]:
    """Dagster's tables, empty but for what an earlier attempt noted as done."""
    from dagster_postgres import DagsterPostgresStorage
    from sqlalchemy import inspect

    tables = inspect(engine).get_table_names()
    with engine.begin() as connection:
        if _DONE not in tables:
            used = [name for name in ("runs", "event_logs") if name in tables and _count(connection, name)]
            if used:
                raise StorageError(f"{target} holds {' and '.join(used)} already: migrate into an empty database")
            connection.exec_driver_sql(f"create table {_DONE} (step text primary key)")
        done = {step for (step,) in connection.exec_driver_sql(f"select step from {_DONE}")}
    DagsterPostgresStorage(target.sqlalchemy_url)
    return done


def _copy_tables(source: SqliteStorage, engine: Engine, done: set[str], progress: Progress) -> None:
    for copied in copied_tables(source):
        if copied.table.name in done:
            continue
        with _opened(copied.file) as reader, _step(engine, copied.table.name) as writer:
            writer.execute(copied.table.delete())
            count = _insert(writer, copied.table, copied.migrated_rows(reader))
        progress(f"{copied.table.name}: {count:,} rows")


def _copy_events(source: SqliteStorage, engine: Engine, done: set[str], progress: Progress) -> None:
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

    shards = source.shards()
    with _opened(source.index) as index:
        for number, shard in enumerate(shards, start=1):
            if shard.name not in done:
                with _step(engine, shard.name) as writer:
                    _insert(writer, SqlEventLogStorageTable, _events_of_run(shard, index, _first_free(index, writer)))
            if number % 100 == 0 or number == len(shards):
                progress(f"events of {number:,} of {len(shards):,} runs")
        if _NO_SHARD not in done:
            with _step(engine, _NO_SHARD) as writer:
                _insert(writer, SqlEventLogStorageTable, _events_without_shard(source, index))


def _events_of_run(shard: Path, index: Connection, first_free: int) -> list[Row]:
    """The events of a run in their order; then those that only the index has."""
    with _opened(shard) as connection:
        # a run's file is there before its tables are
        is_made = connection.exec_driver_sql("select 1 from sqlite_master where name = 'event_logs'").scalar()
        events = _select_events(connection, None) if is_made else []
    run_id = shard.name.removesuffix(".db")
    indexed = _select_events(index, run_id)
    ids = ids_of_run([row["event"] for row in events], [(row["id"], row["event"]) for row in indexed], first_free)
    known = set(ids)
    only_indexed = [row for row in indexed if migrated_id(row["id"]) not in known]
    return [
        row | {"id": new_id, "event": with_migrated_ids(row["event"])}
        for row, new_id in [
            *zip(events, ids, strict=True),
            *((row, migrated_id(row["id"])) for row in only_indexed),
        ]
    ]


def _events_without_shard(source: SqliteStorage, index: Connection) -> Iterator[Row]:
    with_shard = {shard.name.removesuffix(".db") for shard in source.shards()}
    runs = [run_id for (run_id,) in index.exec_driver_sql("select distinct run_id from event_logs order by 1")]
    for run_id in runs:
        if (run_id or "") not in with_shard:
            for row in _select_events(index, run_id):
                yield row | {"id": migrated_id(row["id"]), "event": with_migrated_ids(row["event"])}


def _select_events(connection: Connection, run_id: str | None) -> list[Row]:
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events

    query = Events.select().order_by(Events.c.id)
    if run_id is not None:
        query = query.where(Events.c.run_id == run_id)
    return [dict(row) for row in connection.execute(query).mappings()]


def _first_free(index: Connection, writer: Connection) -> int:
    newest = index.exec_driver_sql("select coalesce(max(id), 0) from event_logs").scalar() or 0
    written = writer.exec_driver_sql("select coalesce(max(id), 0) from event_logs").scalar() or 0
    return max(migrated_id(newest + 1), written + 1)


def _set_sequences(engine: Engine) -> None:
    """New rows get ids after the copied ones."""
    with engine.begin() as connection:
        owners = connection.exec_driver_sql(
            "select table_name from information_schema.columns"
            " where table_schema = 'public' and column_name = 'id' and column_default like 'nextval%%'"
        ).scalars()
        for table in list(owners):
            connection.exec_driver_sql(
                f"select setval(pg_get_serial_sequence('{table}', 'id'), max(id)) from {table} having max(id) > 0"
            )


def _compare(source: SqliteStorage, engine: Engine, progress: Progress) -> None:
    """Raises StorageError: a table, a run's events or the materialized partitions are not the same."""
    with engine.connect() as target:
        for copied in copied_tables(source):
            with _opened(copied.file) as reader:
                _refuse_difference(copied.table.name, copied.migrated_rows(reader), copied.rows(target))
        with _opened(source.index) as index:
            _compare_events(source, index, target)
            here, there = (
                sorted(map(tuple, connection.exec_driver_sql(MATERIALIZED_PARTITIONS)))
                for connection in (index, target)
            )
        _refuse_difference("materialized partitions", here, there)
        runs, events, ticks = (f"{_count(target, table):,}" for table in ("runs", "event_logs", "job_ticks"))
    progress(f"compared: {runs} runs, {events} events in order, {len(there):,} partitions, {ticks} ticks, cursors")


def _compare_events(source: SqliteStorage, index: Connection, target: Connection) -> None:
    expected_count = 0
    for shard in source.shards():
        run_id = shard.name.removesuffix(".db")
        found = _select_events(target, run_id)
        expected = _events_of_run(shard, index, found[0]["id"] if found else 0)
        expected_count += len(expected)
        _refuse_difference(f"events of run {run_id}", sorted(expected, key=lambda row: row["id"]), found)
    rest = {row["id"]: row for row in _events_without_shard(source, index)}
    for run_id in {row["run_id"] for row in rest.values()}:
        _refuse_difference(
            f"events of run {run_id}",
            [row for row in rest.values() if row["run_id"] == run_id],
            _select_events(target, run_id),
        )
    if (count := _count(target, "event_logs")) != expected_count + len(rest):
        raise StorageError(f"PostgreSQL holds {count:,} events, not {expected_count + len(rest):,}")


def _refuse_difference(what: str, expected: Iterable[Any], found: Iterable[Any]) -> None:
    for number, (mine, theirs) in enumerate(zip_longest(expected, found), start=1):
        if mine != theirs:
            raise StorageError(
                f"{what} differ at row {number:,}: was the source written meanwhile?"
                " Drop the PostgreSQL database, and begin again with Dagster stopped"
            )


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    engine = create_engine(url, poolclass=NullPool)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _opened(path: Path) -> Iterator[Connection]:
    with _engine(f"sqlite:///file:{path}?mode=rw&uri=true") as engine, engine.connect() as connection:
        yield connection


@contextmanager
def _step(engine: Engine, name: str) -> Iterator[Connection]:
    """A transaction after which the step is done."""
    from sqlalchemy import text

    with engine.begin() as connection:
        yield connection
        connection.execute(text(f"insert into {_DONE} values (:step)"), {"step": name})


def _insert(connection: Connection, table: Any, rows: Iterable[Row]) -> int:
    waiting, count = iter(rows), 0
    while batch := list(islice(waiting, _BATCH)):
        connection.execute(table.insert(), batch)
        count += len(batch)
    return count


def _count(connection: Connection, table: str) -> int:
    return connection.exec_driver_sql(f"select count(*) from {table}").scalar() or 0
