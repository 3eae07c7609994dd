"""A clean-up of a long past, on SQLite and on PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dagster import DagsterInstance

from ab_pipeline.maintenance.cleanup.archive import Archive
from ab_pipeline.maintenance.cleanup.clean_up import CleanUp
from ab_pipeline.maintenance.cleanup.measure import Places
from ab_pipeline.maintenance.cleanup.open import open_dagster
from ab_pipeline.maintenance.cleanup.policy import Policy
from ab_pipeline.maintenance.folder_store import FolderStore
from ab_pipeline_tests.maintenance.cleanup.believed import what_dagster_believes
from ab_pipeline_tests.maintenance.cleanup.history import instance_at, make_history
from ab_pipeline_tests.servers import postgres_server
from benchmarks.measure import seconds_of

_DAYS = 100


@dataclass(frozen=True)
class Cleaned:
    """What a clean-up took, and what it left."""

    storage: str
    removed: int
    left: int
    seconds: float
    bytes_before: int
    bytes_after: int


def clean_up_to_a_tenth(folder: Path, runs: int) -> Iterator[Cleaned]:
    """Runs of a hundred days, of which a tenth is young enough to stay.

    Raises:
        RuntimeError: a part failed, or Dagster believes something else afterwards.
    """
    logging.disable(logging.CRITICAL)
    for storage in ("SQLite", "PostgreSQL"):
        with _instance(folder / storage, storage) as instance:
            now = datetime.now(UTC)
            make_history(instance, runs, now, _DAYS)
            believed = what_dagster_believes(instance)
            nothing = folder / "nothing"
            places = Places(nothing, nothing, nothing, nothing, nothing, {})
            archive = Archive(FolderStore(folder / storage / "archive"))
            clean_up = CleanUp(
                open_dagster(instance), places, archive, Policy(_DAYS // 10), 400, now, say=lambda _: None
            )
            before = clean_up.measure().bytes
            seconds = seconds_of(clean_up.apply)
            after = clean_up.measure()
            if what_dagster_believes(instance) != believed:
                raise RuntimeError(f"a clean-up on {storage} changed what Dagster believes")
            yield Cleaned(storage, runs - len(after.runs), len(after.runs), seconds, before, after.bytes)


@contextmanager
def _instance(folder: Path, storage: str) -> Iterator[DagsterInstance]:
    if storage == "SQLite":
        with instance_at(folder / "home") as instance:
            yield instance
    else:
        (folder / "server").mkdir(parents=True)
        with postgres_server(folder / "server") as url, instance_at(folder / "home", url) as instance:
            yield instance
