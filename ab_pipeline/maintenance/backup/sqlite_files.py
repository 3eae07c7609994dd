"""Dagster's SQLite files, all as they were at one instant, while it goes on writing.

The backup API makes one file consistent. Dagster writes an event to a run's file, then to the index, then changes the
run's row: copies made one after the other may hold the row without the event. Here every file that may change is
write-locked for the moment in which a read transaction is opened on each; then they are copied from those.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ab_pipeline.maintenance.backup.manifest import MATERIALIZED_PARTITIONS, Contents, Digest, partition_digests
from ab_pipeline.maintenance.storage import SqliteStorage, StorageError, open_sqlite

_STILL_SECONDS = 3600
_LOCK_SECONDS = 0.2
_ATTEMPTS = 60
_FINISHED = ("SUCCESS", "FAILURE", "CANCELED")

Progress = Callable[[str], None]


class _ChangedMeanwhileError(Exception):
    """A file that nobody was expected to write was written."""


@dataclass(frozen=True)
class _Instant:
    """Open read transactions on the files that may change, and the state of those that do not."""

    live: dict[Path, sqlite3.Connection]
    still: dict[Path, tuple[float, ...]]


def copy_files(storage: SqliteStorage, archive: Path, scratch: Path, progress: Progress) -> Contents:
    """Pack every database into a tar.gz, named as below DAGSTER_HOME; what they hold, read beside copying.

    Raises:
        StorageError: a file is missing, damaged, or never free.
    """
    for missing in (path for path in (storage.runs, storage.index, storage.schedules) if not path.exists()):
        raise StorageError(f"{missing} does not exist: is DAGSTER_HOME right, and has Dagster run once?")
    try:
        for _ in range(_ATTEMPTS):
            try:
                with _instant(storage) as instant:
                    return _pack(storage, instant, archive, scratch, progress)
            except _ChangedMeanwhileError as error:
                progress(f"{error}: starting again")
    except sqlite3.Error as error:
        raise StorageError(f"{storage}: {error}") from error
    raise StorageError(f"{storage}: files kept changing while they were copied")


def unpack(archive: Path, folder: Path) -> SqliteStorage:
    """The databases of an archive below a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    return SqliteStorage.below(folder)


def contents_of(storage: SqliteStorage) -> Contents:
    """What files hold that nobody writes.

    Raises:
        StorageError: SQLite finds one damaged.
    """
    reader = _Reader()
    for path in (storage.runs, storage.schedules, storage.index, *storage.shards()):
        # a reader that may not write leaves an empty log behind
        with closing(_open(path, "rw")) as connection:
            try:
                if (problem := connection.execute("pragma quick_check").fetchone()[0]) != "ok":
                    raise StorageError(f"{path} is damaged: {problem}")
                reader.read(storage, path, connection)
            except sqlite3.Error as error:
                raise StorageError(f"{path} is damaged: {error}") from error
    return reader.contents()


class _Reader:
    """Counts and hashes, database by database; runs' own tables become one."""

    def __init__(self) -> None:
        self._revisions: dict[str, str] = {}
        self._tables: dict[str, Digest] = {}
        self._partitions: dict[str, Digest] = {}
        self._shards = hashlib.sha256()
        self._shard_rows = 0

    def read(self, storage: SqliteStorage, path: Path, connection: sqlite3.Connection) -> None:
        names = {storage.runs: "runs", storage.index: "events", storage.schedules: "schedules"}
        if path not in names:
            self._read_shard(path, connection)
            return
        schema = names[path]
        for revision in connection.execute("select version_num from alembic_version"):
            self._revisions[schema] = revision[0]
        for table in _tables(connection):
            self._tables[f"{schema}.{table}"] = _digest(connection, table)
        if schema == "events":
            self._partitions = partition_digests(connection.execute(MATERIALIZED_PARTITIONS))

    def _read_shard(self, path: Path, connection: sqlite3.Connection) -> None:
        for table in _tables(connection):
            digest = _digest(connection, table)
            self._shards.update(f"{path.name}:{table}:{digest.count}:{digest.sha256}\n".encode())
            self._shard_rows += digest.count

    def contents(self) -> Contents:
        tables = self._tables | {"events of runs": Digest(self._shard_rows, self._shards.hexdigest())}
        return Contents(self._revisions, tables, self._partitions)


def _pack(storage: SqliteStorage, instant: _Instant, archive: Path, scratch: Path, progress: Progress) -> Contents:
    reader = _Reader()
    paths = [storage.runs, storage.schedules, storage.index, *sorted(set(instant.live | instant.still))]
    paths = list(dict.fromkeys(paths))
    copy = scratch / "copy.db"
    with tarfile.open(archive, "w:gz", compresslevel=3) as files:
        for number, path in enumerate(paths, start=1):
            with _reading(path, instant) as connection:
                reader.read(storage, path, connection)
                copy.unlink(missing_ok=True)
                with closing(sqlite3.connect(copy)) as target:
                    connection.backup(target)
            if path in instant.still and _state(path) != instant.still[path]:
                raise _ChangedMeanwhileError(f"{path.name} was written meanwhile")
            files.add(copy, _archived_name(storage, path))
            if number % 200 == 0 or number == len(paths):
                progress(f"{number:,} of {len(paths):,} SQLite files")
    copy.unlink(missing_ok=True)
    return reader.contents()


@contextmanager
def _reading(path: Path, instant: _Instant) -> Iterator[sqlite3.Connection]:
    if path in instant.live:
        yield instant.live[path]
        return
    try:
        connection = _open(path, "ro")
    except sqlite3.OperationalError as error:
        raise _ChangedMeanwhileError(f"{path.name} was deleted meanwhile") from error
    with closing(connection):
        yield connection


@contextmanager
def _instant(storage: SqliteStorage) -> Iterator[_Instant]:
    with ExitStack() as pins:
        for _ in range(_ATTEMPTS):
            try:
                with ExitStack() as locks:
                    instant = _locked_instant(storage, locks, pins)
                break
            except sqlite3.OperationalError as error:
                pins.close()
                if "locked" not in str(error) and "unable to open" not in str(error):
                    raise
                # a writer that holds one of the files may wait for another of them: let all go
                time.sleep(_LOCK_SECONDS)
        else:
            raise StorageError(f"{storage}: a file stayed locked. Which process holds a transaction open?")
        yield instant


def _locked_instant(storage: SqliteStorage, locks: ExitStack, pins: ExitStack) -> _Instant:
    """Lock, then pin. Who writes holds a run's file before the index: the index comes last here too."""

    def lock(path: Path) -> sqlite3.Connection:
        connection = locks.enter_context(closing(_open(path, "rw")))
        connection.execute("begin immediate")
        return connection

    runs = lock(storage.runs)
    lock(storage.schedules)
    unfinished = {run_id for (run_id,) in runs.execute(f"select run_id from runs where status not in {_FINISHED}")}
    states = {path: _state(path) for path in storage.shards()}
    since = time.time() - _STILL_SECONDS
    live = [path for path, state in states.items() if path.stem in unfinished or max(state[0], state[2]) > since]
    for path in live:
        lock(path)
    lock(storage.index)
    return _Instant(
        live={path: _pin(path, pins) for path in (storage.runs, storage.schedules, storage.index, *live)},
        still={path: state for path, state in states.items() if path not in live},
    )


def _pin(path: Path, pins: ExitStack) -> sqlite3.Connection:
    connection = pins.enter_context(closing(_open(path, "rw")))
    connection.execute("begin")
    # the read transaction begins with the first read
    connection.execute("select count(*) from sqlite_master").fetchone()
    return connection


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return open_sqlite(path, mode, _LOCK_SECONDS)


def _state(path: Path) -> tuple[float, ...]:
    """Times and sizes of a database and its log; zeros for what is not there."""
    found: list[float] = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        try:
            stat = file.stat()
            # an empty log is made and removed by who only reads
            found += [stat.st_mtime, stat.st_size] if stat.st_size else [0, 0]
        except FileNotFoundError:
            found += [0, 0]
    return tuple(found)


def _archived_name(storage: SqliteStorage, path: Path) -> str:
    below = SqliteStorage.below(Path())
    names = {storage.runs: below.runs, storage.schedules: below.schedules}
    return str(names.get(path, below.events / path.name))


def _tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute(
        "select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by name"
    )
    return [name for (name,) in found]


def _digest(connection: sqlite3.Connection, table: str) -> Digest:
    digest, count = hashlib.sha256(), 0
    for row in connection.execute(f'select rowid, * from "{table}" order by rowid'):
        digest.update(repr(row).encode())
        count += 1
    return Digest(count, digest.hexdigest())
