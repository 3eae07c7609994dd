"""dbt on a thread of this process instead of in a process of its own.

`DbtCliResource` starts `dbt --version`, an adapter and dbt itself: three imports of dbt for a run whose SQL takes
less than a second. Here dbt is imported once, and a killed run leaves no dbt behind that goes on writing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from dagster import AssetExecutionContext
from dagster._core.utils import exhaust_iterator_and_yield_results_with_exception
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtProject
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from dagster_dbt.compat import DBT_PYTHON_VERSION
from dagster_dbt.core.dbt_event_iterator import DbtDagsterEventType, DbtEventIterator

if TYPE_CHECKING:
    import subprocess


_SHOWN_LEVELS = {"info", "warn", "error"}


def invoke_dbt(args: Sequence[str], *, context: AssetExecutionContext, project: DbtProject) -> DbtThread:
    """Start dbt for the assets and checks that the step of `context` has selected.

    The project's target folder is shared by all invocations, so a caller holds the warehouse pool.
    """
    params = get_updated_cli_invocation_params_for_context(
        context=context, manifest={}, dagster_dbt_translator=DagsterDbtTranslator()
    )
    target_path = Path(project.project_dir) / project.target_path
    command = [*args, *params.selection_args]
    command += ["--project-dir", str(project.project_dir), "--profiles-dir", str(project.profiles_dir)]
    command += ["--target", cast("str", project.target), "--target-path", str(target_path)]
    command += ["--log-path", str(target_path), "--log-level", "none"]
    if params.indirect_selection:
        command += ["--indirect-selection", params.indirect_selection]
    return DbtThread(
        process=cast("subprocess.Popen[Any]", _Process(command)),
        manifest=params.manifest,
        dagster_dbt_translator=params.dagster_dbt_translator,
        project_dir=Path(project.project_dir),
        target_path=target_path,
        raise_on_error=True,
        cli_version=DBT_PYTHON_VERSION,
        project=project,
        context=context,
    )


@dataclass
class _Process:
    """What DbtCliInvocation asks of a process."""

    args: list[str]
    returncode: int | None = None

    def wait(self) -> int | None:
        return self.returncode


@dataclass
class DbtThread(DbtCliInvocation):
    """An invocation whose events come from a thread instead of a pipe."""

    _is_started: bool = field(init=False, default=False)

    def events_with_metadata(self) -> Iterator[DbtDagsterEventType]:
        """Every Dagster event of the build, with row counts, column schema and lineage.

        They come when dbt has ended: the metadata is read through its adapter, and Dagster's wait for that, a
        busy loop, would slow dbt down twentyfold.
        """
        from dbt.adapters.factory import cleanup_connections

        events = exhaust_iterator_and_yield_results_with_exception(self._stream_asset_events())
        first = list(islice(events, 1))
        try:
            yield from DbtEventIterator(chain(first, events), self).fetch_row_counts().fetch_column_metadata()
        finally:
            # an open connection would keep the DuckDB file locked
            cleanup_connections()

    def _stream_stdout(self) -> Iterator[str | dict[str, Any]]:
        if self._is_started:
            return
        self._is_started = True
        messages: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        thread = threading.Thread(target=self._run_dbt, args=(messages,), name="dbt", daemon=True)
        thread.start()
        try:
            while (message := messages.get()) is not None:
                if message["info"]["level"] == "error":
                    self._error_messages.append(message["info"]["msg"])
                yield message
        finally:
            self._end(thread)

    def _run_dbt(self, messages: SimpleQueue[dict[str, Any] | None]) -> None:
        from dbt.adapters.factory import FACTORY
        from dbt.cli.main import dbtRunner
        from dbt_common.events.base_types import EventMsg
        from dbt_common.events.functions import msg_to_dict

        def pass_on(message: EventMsg) -> None:
            if message.info.level in _SHOWN_LEVELS:
                messages.put(msg_to_dict(message))

        try:
            result = dbtRunner(callbacks=[pass_on]).invoke(self.process.args)
            [self.adapter] = FACTORY.adapters.values() or [None]
            self.process.returncode = 0 if result.success else 1
            if result.exception:
                self._error_messages.append(str(result.exception))
        finally:
            messages.put(None)

    def _end(self, thread: threading.Thread) -> None:
        """Cancel what still runs, until dbt gives up: a run that is terminated must leave no query behind."""
        from dbt.adapters.factory import FACTORY

        for _ in range(int(self.termination_timeout_seconds)):
            thread.join(timeout=1)
            if not thread.is_alive():
                return
            for adapter in FACTORY.adapters.values():
                adapter.cancel_open_connections()
