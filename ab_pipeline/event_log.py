"""Dagster's SQLite event log, with the events of a batch in one commit: `deploy/dagster.yaml` names it.

A run of 400 days records 1,600 events. Dagster opens, commits and closes two SQLite files for each.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, EventLogEntry, Field
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection

# Dagster hands batches to a storage only where the environment says so; PostgreSQL's knows batches as well
os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")


class BatchingSqliteEventLogStorage(SqliteEventLogStorage):
    """The files and tables are Dagster's own: either class reads what the other wrote."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        # the folder is known once there is an instance
        self._inst_data = inst_data
        self._batch: dict[str, Connection] = {}
        self._batch_lock = threading.RLock()

    @classmethod
    def config_type(cls) -> dict[str, Field]:
        """Nothing: the files are where Dagster keeps them."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> BatchingSqliteEventLogStorage:
        """The storage that `dagster.yaml` asks for."""
        return cls(inst_data, **config_value)

    def register_instance(self, instance: DagsterInstance) -> None:
        """Open the event log in the folder of the instance."""
        folder = Path(instance.root_directory) / "history" / "runs"
        super().__init__(str(folder), self._inst_data)
        # a batch holds two files open at once
        self._db_lock = threading.RLock()
        super().register_instance(instance)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events of one run, in one commit a file."""
        with self._batch_lock, ExitStack() as commits:
            try:
                for shard in (events[0].run_id, INDEX_SHARD_NAME):
                    self._batch[shard] = commits.enter_context(super()._connect(shard))
                for event in events:
                    self.store_event(event)
            finally:
                self._batch.clear()

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._batch_lock:
            if shard in self._batch:
                yield self._batch[shard]
            else:
                with super()._connect(shard) as connection:
                    yield connection
