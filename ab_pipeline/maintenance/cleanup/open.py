"""From a Dagster instance and the settings to a clean-up that is ready."""

from __future__ import annotations

from pathlib import Path

from dagster import DagsterInstance
from dagster._core.storage.event_log import SqliteEventLogStorage

from ab_pipeline.door.audit import Audit
from ab_pipeline.door.database import DoorDatabase
from ab_pipeline.maintenance.cleanup.archive import open_archive
from ab_pipeline.maintenance.cleanup.clean_up import CleanUp, Say
from ab_pipeline.maintenance.cleanup.engine import Engine
from ab_pipeline.maintenance.cleanup.errors import CleanupError
from ab_pipeline.maintenance.cleanup.folders import RunFolders
from ab_pipeline.maintenance.cleanup.measure import Dagster, Places
from ab_pipeline.maintenance.cleanup.policy import Policy
from ab_pipeline.maintenance.cleanup.tables import DagsterTables
from ab_pipeline.settings import Settings


def open_clean_up(instance: DagsterInstance, settings: Settings, say: Say) -> CleanUp:
    """The clean-up that the settings describe.

    Raises:
        CleanupError: the instance has another storage than SQLite or PostgreSQL.
    """
    return CleanUp(
        dagster=open_dagster(instance),
        places=Places.of(settings),
        archive=open_archive(settings),
        policy=Policy.of(settings),
        archive_keep_days=settings.archive_keep_days,
        say=say,
        audit=(database := DoorDatabase.found(Path(instance.root_directory))) and Audit(database),
    )


def open_dagster(instance: DagsterInstance) -> Dagster:
    """The ways into the storage of an instance.

    Raises:
        CleanupError: it has another than SQLite or PostgreSQL.
    """
    return Dagster(instance, DagsterTables(instance), _engine(instance), RunFolders(instance))


def _engine(instance: DagsterInstance) -> Engine:
    events = instance.event_log_storage
    if isinstance(events, SqliteEventLogStorage):
        from ab_pipeline.maintenance.cleanup.sqlite import SqliteEngine

        return SqliteEngine(instance)
    if type(events).__name__ == "PostgresEventLogStorage":
        from ab_pipeline.maintenance.cleanup.postgres import PostgresEngine

        return PostgresEngine(instance)
    raise CleanupError(
        f"Dagster keeps its events in {type(events).__name__}: clean-up knows SQLite below DAGSTER_HOME, and PostgreSQL"
    )
