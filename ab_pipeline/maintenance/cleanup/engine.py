"""Where Dagster's two storages differ. All else is the SQL they share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol, TypeVar

from sqlalchemy.exc import OperationalError

from ab_pipeline.maintenance.cleanup.folders import Tree
from ab_pipeline.maintenance.cleanup.inventory import Place
from ab_pipeline.maintenance.storage import DagsterStorage

_PASSING = ("locked", "deadlock", "busy")
_PATIENCE_SECONDS = 60
_T = TypeVar("_T")


class Engine(Protocol):
    """A database server, or files."""

    place: Place
    storage: DagsterStorage

    def table_bytes(self) -> Mapping[str, int]:
        """Bytes by table, its indexes with it; and by `free space` what is only reserved."""
        ...

    def shards(self, since: datetime) -> Mapping[str, Tree]:
        """The files that hold the events of one run each, by run id."""
        ...

    def stored_events(self, run_id: str) -> list[str]:
        """The events of a run as Dagster wrote them: one that this version of it cannot read is one, too."""
        ...

    def remove_shard(self, run_id: str) -> None:
        """Give up the file of a run, if there is one."""
        ...

    def reclaim(self) -> str:
        """Give what deleted rows took back to the operating system, while others work; a sentence on what was left."""
        ...


def persistently(action: Callable[[], _T]) -> _T:
    """What the action gives, tried again for a minute while others hold locks that it needs."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return action()
        except OperationalError as error:
            if not any(word in str(error).lower() for word in _PASSING) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
