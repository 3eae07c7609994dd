"""Real servers for tests, on loopback: PostgreSQL from its wheel, and an S3 endpoint."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import psycopg2.extensions
from moto.server import ThreadedMotoServer

from ab_pipeline.maintenance.backup.postgres_tools import scratch_server


@contextmanager
def server_folder() -> Iterator[Path]:
    """A folder that the server's own user may enter: root's PostgreSQL is another user.

    pytest's folders are not: every start of pytest takes them away from all but its user.
    """
    with tempfile.TemporaryDirectory(prefix="ab_pipeline_", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """A PostgreSQL server with its data in the folder; the URL of its database `postgres`."""
    with scratch_server(folder) as server:
        yield server.url


@contextmanager
def postgres_session(url: str) -> Iterator[psycopg2.extensions.cursor]:
    """A session of its own, each statement a transaction."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def empty_database(url: str) -> None:
    """Take out of a PostgreSQL database all that Dagster keeps there."""
    with postgres_session(url) as cursor:
        cursor.execute("drop schema public cascade; create schema public")


@contextmanager
def s3_server() -> Iterator[str]:
    """An S3 server; its endpoint URL. Any credentials are good. Servers of one process share their buckets."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()
