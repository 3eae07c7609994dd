"""Connections to the PostgreSQL that Dagster keeps its metadata in, and the names of its databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from ab_pipeline.maintenance.storage import PostgresStorage, StorageError


@contextmanager
def connected(storage: PostgresStorage, **options: Any) -> Iterator[Any]:
    """A psycopg2 connection, committed on leaving the block and rolled back if it raises.

    Raises:
        StorageError: the server refuses, or ends the connection.
    """
    with _opened(storage, **options) as connection, connection:
        yield connection


@contextmanager
def session(storage: PostgresStorage, **options: Any) -> Iterator[Any]:
    """A cursor in autocommit, on a connection of its own. Raises StorageError as `connected` does."""
    with _opened(storage, **options) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


@contextmanager
def administration(storage: PostgresStorage) -> Iterator[Any]:
    """A cursor in autocommit on another database of the server: nobody can rename the one they are in.

    Raises:
        StorageError: as `connected` does.
    """
    with session(sibling(storage, "template1")) as cursor:
        yield cursor


@contextmanager
def _opened(storage: PostgresStorage, **options: Any) -> Iterator[Any]:
    import psycopg2

    try:
        with closing(psycopg2.connect(storage.url, **{"connect_timeout": 10, **options})) as connection:
            yield connection
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


def server_major(connection: Any) -> int:
    """The server's major version, such as 16."""
    return connection.server_version // 10000
