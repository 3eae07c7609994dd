"""What is in the storage that a restore replaces, and what of it is newer than the backup."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ab_pipeline.maintenance.storage import DagsterStorage, PostgresStorage, StorageError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


@dataclass(frozen=True)
class Present:
    """How many runs there are, and when the newest was made (UTC); how many runs and ticks a backup does not know."""

    runs: int
    newest_run_at: dt.datetime | None
    runs_since: int
    runs_changed_since: int
    """That went on: it has them as they were."""
    ticks_since: int

    def lines(self) -> list[str]:
        """A sentence each."""
        newest = f", the newest of {self.newest_run_at:%Y-%m-%d %H:%M} UTC" if self.newest_run_at else ""
        counted = (
            (self.runs_since, "runs"),
            (self.runs_changed_since, "runs that went on"),
            (self.ticks_since, "ticks of sensors and schedules"),
        )
        since = ", ".join(f"{count:,} {what}" for count, what in counted if count)
        return [
            f"there now: {self.runs:,} runs{newest}",
            f"newer than the backup, and not in it: {since}" if since else "nothing there is newer than the backup",
        ]


def present(storage: DagsterStorage, backed_up_at: dt.datetime) -> Present:
    """What is there now.

    Raises:
        StorageError: it cannot be read, which may be why it is to be replaced.
    """
    import sqlalchemy as sa
    from dagster._core.storage.runs.schema import RunsTable
    from dagster._core.storage.schedules.schema import JobTickTable
    from sqlalchemy.exc import SQLAlchemyError

    # Dagster's times are UTC without saying so
    since = backed_up_at.replace(tzinfo=None)
    created, updated, count = RunsTable.c.create_timestamp, RunsTable.c.update_timestamp, sa.func.count()
    try:
        with _connected(storage, "runs") as connection:
            runs, newest = connection.execute(sa.select(count, sa.func.max(created)).select_from(RunsTable)).one()
            begun = connection.execute(sa.select(count).where(created > since)).scalar_one()
            went_on = connection.execute(sa.select(count).where(created <= since, updated > since)).scalar_one()
        with _connected(storage, "schedules") as connection:
            ticks = connection.execute(sa.select(count).where(JobTickTable.c.create_timestamp > since)).scalar_one()
    except SQLAlchemyError as error:
        raise StorageError(f"{storage} cannot be read: {' '.join(str(error).split())[:200]}") from error
    return Present(runs, newest, begun, went_on, ticks)


@contextmanager
def _connected(storage: DagsterStorage, schema: str) -> Iterator[Connection]:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    if isinstance(storage, PostgresStorage):
        url = storage.sqlalchemy_url
    else:
        # a reader that may not write leaves an empty log behind
        url = f"sqlite:///file:{storage.runs if schema == 'runs' else storage.schedules}?mode=rw&uri=true"
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
