"""dbt on a thread of this process instead of in a process of its own.

`DbtCliResource` starts `dbt --version`, an adapter and dbt itself: three imports of dbt for a run whose SQL takes
less than a second. Here dbt is imported once, and a killed run leaves no dbt behind that goes on writing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckResult,
    AssetExecutionContext,
    AssetKey,
    MetadataValue,
    Output,
    TableMetadataValue,
    TableRecord,
    get_dagster_logger,
)
from dagster_dbt import DagsterDbtTranslator, DbtCliInvocation, DbtProject
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from dagster_dbt.compat import DBT_PYTHON_VERSION
from dagster_dbt.core.dbt_event_iterator import DbtDagsterEventType

from ab_pipeline.dbt.api import QueryError, cancel_queries, close_connections, run_dbt
from ab_pipeline.dbt.arguments import DayWindow
from ab_pipeline.dbt.read_back import Changed, changes_by_day, failing_rows, is_there, row_count, rows_by_day

if TYPE_CHECKING:
    import subprocess

_PARTITION_ROWS = "dagster/partition_row_count"
_BUILT = {"LogModelResult", "LogSeedResult", "LogSnapshotResult"}


def invoke_dbt(
    args: Sequence[str], *, context: AssetExecutionContext, project: DbtProject, window: DayWindow | None = None
) -> DbtThread:
    """Start dbt for the assets and checks that the step of `context` has selected, of the days of a window.

    The project's target folder is shared by all invocations, so a caller holds the warehouse pool.
    """
    params = get_updated_cli_invocation_params_for_context(
        context=context, manifest={}, dagster_dbt_translator=DagsterDbtTranslator()
    )
    target_path = Path(project.project_dir) / project.target_path
    # macros/operations.sql tells it to whoever looks at the warehouse's queries
    os.environ["DAGSTER_RUN_ID"] = context.run_id
    command = [*args, *params.selection_args]
    command += ["--project-dir", str(project.project_dir), "--profiles-dir", str(project.profiles_dir)]
    command += ["--target", cast("str", project.target), "--target-path", str(target_path)]
    command += ["--log-path", str(target_path), "--log-level", "none", "--no-use-colors"]
    # code servers read the manifest, and dbt would overwrite it in place
    command += ["--no-write-json"]
    # eager selection would test what a run does not build against tables that may not be there yet
    command += ["--indirect-selection", params.indirect_selection or "buildable"]
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
        window=window,
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

    window: DayWindow | None = None
    """The days that incremental models are built of."""
    _is_started: bool = field(init=False, default=False)
    _exception: str = field(init=False, default="")
    _metadata: dict[str, dict[str, Any]] = field(init=False, default_factory=dict)
    _metadata_by_day: dict[str, dict[str, dict[str, int]]] = field(init=False, default_factory=dict)
    _was_there: bool | None = field(init=False, default=None)
    """Whether the daily table was built before."""

    def events_with_metadata(self, metadata_of: Mapping[str, Mapping[str, Any]]) -> Iterator[DbtDagsterEventType]:
        """Every Dagster event of the build: a relation's with its row count, a failed test's with its first rows.

        Dagster's `fetch_row_counts` waits busily, which slows dbt down twentyfold, so dbt's own threads count.
        """
        events = cast("Generator[DbtDagsterEventType, None, None]", self._stream_asset_events())
        try:
            # a caller that stops halfway must first stop dbt
            with closing(events):
                for event in events:
                    unique_id = str(event.metadata["unique_id"].value)
                    found = self._metadata.get(unique_id, {})
                    if isinstance(event, Output):
                        self._add_metadata_of_days(unique_id)
                        yield event.with_metadata({**event.metadata, **metadata_of.get(unique_id, {}), **found})
                    elif isinstance(event, AssetCheckResult):
                        yield self._as_selected(event.with_metadata({**event.metadata, **found}))
                    else:
                        yield event
        finally:
            close_connections()

    def _add_metadata_of_days(self, unique_id: str) -> None:
        """A range of days is one output, and each day a partition of its own."""
        context = cast("AssetExecutionContext", self.context)
        node = self.manifest["nodes"][unique_id]
        key = self.dagster_dbt_translator.get_asset_key(node)
        for day, found in self._metadata_by_day.get(unique_id, {}).items():
            context.add_asset_metadata(found, key, day)

    def _look_before(self, event: dict[str, Any]) -> None:
        """At the first node of all, which is ahead of every table: is there a daily table to compare with?

        Hooks of the run come first. They share one connection, which a question of ours would close.
        """
        kind = event["data"].get("node_info", {}).get("resource_type", "operation")
        if self._was_there is None and kind != "operation":
            self._was_there = False
            kept = (
                node for node in self.manifest["nodes"].values() if node["config"].get("meta", {}).get("keeps_changes")
            )
            for node in kept:
                with suppress(QueryError):
                    self._was_there = is_there(node)

    def _read_back(self, unique_id: str, read: Callable[[], dict[str, Any]]) -> None:
        try:
            self._metadata[unique_id] = read()
        except (QueryError, OSError) as error:
            # the node is built or tested, whether it can be described or not
            get_dagster_logger().warning("no metadata for %s: %s", unique_id, error)

    def _describe(self, event: dict[str, Any]) -> None:
        info = event["data"].get("node_info", {})
        name, status = event["info"]["name"], info.get("node_status")
        if name in _BUILT and status == "success":
            node = self.manifest["nodes"][info["unique_id"]]
            if self.window and node["config"]["materialized"] == "incremental":
                build_id, window = event["info"]["invocation_id"], self.window
                self._read_back(info["unique_id"], lambda: self._describe_days(node, window, build_id))
            # counting a view would run its query
            elif node["config"]["materialized"] != "view":
                self._read_back(info["unique_id"], lambda: {"dagster/row_count": row_count(node)})
        elif name == "LogTestResult" and status in ("fail", "warn"):
            node = self.manifest["nodes"][info["unique_id"]]
            self._read_back(info["unique_id"], lambda: {"failing_rows": _table(failing_rows(node, self.target_path))})

    def _describe_days(self, node: dict[str, Any], window: DayWindow, build_id: str) -> dict[str, Any]:
        """Of a daily table the rows of each day and, where it keeps its changes, which of them are new."""
        counts = rows_by_day(node, window)
        by_day: dict[str, dict[str, int]] = {day: {_PARTITION_ROWS: count} for day, count in counts.items()}
        found: dict[str, Any] = {}
        if node["config"]["meta"].get("keeps_changes"):
            changed = changes_by_day(node, build_id)
            if not self._was_there:
                # what is built whole has no log: every row is new
                changed = {day: Changed(added=count) for day, count in counts.items()}
            for day, metadata in by_day.items():
                metadata.update(changed.get(day, Changed()).metadata())
            elsewhere = [sum(astuple(changed[day])) for day in changed.keys() - by_day.keys()]
            found["rows changed on other days"] = sum(elsewhere)
        self._metadata_by_day[node["unique_id"]] = by_day
        return found

    def _as_selected(self, result: AssetCheckResult) -> AssetCheckResult | AssetCheckEvaluation:
        """The form in which Dagster takes a check that is not selected without a warning.

        No selection of assets selects the checks of a raw table, since nothing here can materialise it.
        """
        context = cast("AssetExecutionContext", self.context)
        key = AssetCheckKey(cast("AssetKey", result.asset_key), cast("str", result.check_name))
        if key in context.selected_asset_check_keys:
            return result
        return result.to_asset_check_evaluation(context.get_step_execution_context())

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
        except BaseException:
            self._cancel(thread)
            raise
        thread.join()
        # dbt logs most of what it raises
        if self._exception and not any(self._exception in message for message in self._error_messages):
            self._error_messages.append(self._exception)

    def _run_dbt(self, messages: SimpleQueue[dict[str, Any] | None]) -> None:
        def pass_on(event: dict[str, Any]) -> None:
            self._look_before(event)
            self._describe(event)
            messages.put(event)

        try:
            result = run_dbt(cast("list[str]", self.process.args), on_event=pass_on)
            self.process.returncode = 0 if result.is_good else 1
            self._exception = result.exception.strip()
        finally:
            messages.put(None)

    def _cancel(self, thread: threading.Thread) -> None:
        """Cancel what runs, until dbt gives up: a run that is terminated must leave no query behind."""
        for _ in range(int(self.termination_timeout_seconds)):
            cancel_queries()
            thread.join(timeout=1)
            if not thread.is_alive():
                return


def _table(rows: list[dict[str, str]]) -> TableMetadataValue:
    return MetadataValue.table([TableRecord(dict(row)) for row in rows])
