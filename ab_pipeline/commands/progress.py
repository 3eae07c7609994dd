"""How far DuckDB is, on a terminal, while a statement takes long."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

_FIRST_LOOK = 1.0
_BETWEEN_LOOKS = 0.2


@contextmanager
def progress_of(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Show a bar on standard error once the block has taken a second; nothing where that is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    is_done = threading.Event()
    watcher = threading.Thread(target=_show, args=(connection, console, is_done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_done.set()
        watcher.join()


def _show(connection: duckdb.DuckDBPyConnection, console: Console, is_done: threading.Event) -> None:
    if is_done.wait(_FIRST_LOOK):
        return
    columns = (TextColumn("reading"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        while not is_done.wait(_BETWEEN_LOOKS):
            share = connection.query_progress()
            bar.update(task, total=100 if share >= 0 else None, completed=max(share, 0))
