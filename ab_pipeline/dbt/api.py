"""All that this project uses of dbt's Python API: what a later dbt changes of it is mended here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import agate
    from dagster_dbt import DbtProject
    from dbt.adapters.base.impl import BaseAdapter
    from dbt.contracts.graph.manifest import Manifest

_SHOWN_LEVELS = {"info", "warn", "error"}
# What a process that runs dbt more than once has parsed: `run_dbt` then reads no file of the project.
_held: Manifest | None = None


class QueryError(Exception):
    """The warehouse refused a query. The message is dbt's own."""


@dataclass(frozen=True)
class DbtResult:
    """How a command of dbt's ended."""

    is_good: bool
    results: Any
    """What dbt's own runner gives: of `parse` the manifest, else an object with the results of the nodes."""
    exception: str
    """What dbt raised, as text; empty if it raised nothing."""


def run_dbt(
    arguments: Sequence[str],
    *,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    manifest: Manifest | None = None,
) -> DbtResult:
    """Run dbt on this thread, and pass its events on, as dbt's JSON log has them, but for those that only debug.

    Without a manifest it uses the one that `hold_manifest` was given, or else reads the project.
    """
    from dbt.cli.main import dbtRunner
    from dbt_common.events.base_types import EventMsg
    from dbt_common.events.functions import msg_to_dict

    def pass_on(message: EventMsg) -> None:
        if on_event and message.info.level in _SHOWN_LEVELS:
            on_event(msg_to_dict(message))

    result = dbtRunner(manifest=manifest or _held, callbacks=[pass_on]).invoke(list(arguments))
    return DbtResult(result.success, result.result, str(result.exception) if result.exception else "")


def parse(project: DbtProject) -> Manifest:
    """The manifest that dbt works with, of a project that `load_project` gave: its own file spares most of the parsing.

    Raises:
        RuntimeError: dbt cannot read the project. The message is dbt's own.
    """
    target_path = str(project.manifest_path.parent)
    options = ["--project-dir", str(project.project_dir), "--profiles-dir", str(project.profiles_dir)]
    options += ["--target", str(project.target), "--target-path", target_path, "--log-path", target_path]
    result = run_dbt(["parse", "--quiet", "--no-write-json", "--log-level-file", "none", *options])
    if not result.is_good:
        raise RuntimeError(result.exception)
    return result.results


def hold_manifest(manifest: Manifest | None) -> None:
    """Every later `run_dbt` of this process, and of those forked from it, works on this manifest.

    dbt keeps what it compiles of ephemeral models in it: who builds twice in one process hands over a copy.
    """
    global _held  # noqa: PLW0603 a template holds one for its life
    _held = manifest


def query(sql: str) -> agate.Table:
    """The rows of a query, on the connection of the dbt that runs in this process.

    Raises:
        QueryError: the warehouse refused.
    """
    from dbt_common.exceptions import DbtRuntimeError

    [adapter] = _adapters()
    try:
        with adapter.connection_named("read_back"):
            return adapter.execute(sql, fetch=True)[1]
    except DbtRuntimeError as error:
        raise QueryError(str(error)) from error


def cancel_queries() -> None:
    """Cancel whatever dbt runs in this process, from a thread that is not dbt's."""
    from dbt_common.context import set_invocation_context

    # dbt's own thread has one; the query comment reads the environment through it
    set_invocation_context(os.environ)
    for adapter in _adapters():
        # Redshift ends a session from another one: this thread's own
        with adapter.connection_named("cancel"):
            adapter.cancel_open_connections()


def close_connections() -> None:
    """Let go of the warehouse: an open connection would keep a DuckDB file locked."""
    from dbt.adapters.factory import cleanup_connections

    cleanup_connections()


def forget_warehouse() -> None:
    """As if dbt had never run here: the next run reads its profile afresh, and may open another file."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.adapters.factory import reset_adapters

    # dbt-duckdb keeps the file open for the life of the process, and an exception's traceback even beyond
    if DuckDBConnectionManager._ENV is not None:
        DuckDBConnectionManager._ENV.close()
        DuckDBConnectionManager._ENV = None
    close_connections()
    reset_adapters()


def _adapters() -> list[BaseAdapter]:
    from dbt.adapters.factory import FACTORY

    return list(cast("Iterable[BaseAdapter]", FACTORY.adapters.values()))
