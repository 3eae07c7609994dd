"""The installation that is examined. Looking at it makes no file and no table."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ab_pipeline.errors import UserError
from ab_pipeline.health.production import is_production
from ab_pipeline.maintenance.postgres import session
from ab_pipeline.maintenance.storage import DagsterStorage, PostgresStorage, dagster_storage, open_sqlite
from ab_pipeline.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

DEPLOYED = "deploy/dagster.yaml"
_SERVER_PATIENCE_SECONDS = 3


class NotLookedAtError(UserError):
    """Something else is wrong first, and was told."""


@dataclass(frozen=True)
class Setup:
    """Settings, DAGSTER_HOME, and what they name."""

    home: Path
    settings: Settings | None
    """None if they are wrong."""
    now: dt.datetime
    loading: subprocess.Popen[str] | None = None
    """The process that loads the definitions, where it was started already."""

    @property
    def right_settings(self) -> Settings:
        """The settings.

        Raises:
            NotLookedAtError: they are wrong.
        """
        if self.settings is None:
            raise NotLookedAtError("the settings are wrong")
        return self.settings

    @property
    def is_production(self) -> bool:
        """Whether others depend on it."""
        return self.settings is not None and is_production(self.settings)

    @property
    def is_clocked(self) -> bool:
        """Whether the clock starts what makes backups."""
        return self.settings is not None and self.settings.target == "redshift"

    @cached_property
    def storage(self) -> DagsterStorage:
        """Where Dagster's metadata is.

        Raises:
            NotLookedAtError: there is no DAGSTER_HOME.
            StorageError: dagster.yaml does not say so in a way that is known.
        """
        if not self.home.is_dir():
            raise NotLookedAtError(f"{self.home} does not exist")
        return dagster_storage(self.home)

    @cached_property
    def unusable(self) -> str | None:
        """Why the metadata cannot be read; empty where Dagster has not begun to keep any."""
        try:
            if isinstance(self.storage, PostgresStorage):
                with self.server() as cursor:
                    cursor.execute("select to_regclass('alembic_version') is not null")
                    return None if cursor.fetchone()[0] else ""
            if not self.storage.runs.exists():
                return ""
            with closing(open_sqlite(self.storage.runs, "ro", timeout=2)) as connection:
                connection.execute("select count(*) from sqlite_master").fetchone()
        except UserError as error:
            return str(error)
        except sqlite3.Error as error:
            return f"{self.storage}: {error}"
        return None

    @contextmanager
    def server(self) -> Iterator[Any]:
        """A session in PostgreSQL, which has three seconds for everything.

        Raises:
            StorageError: it does not answer.
        """
        assert isinstance(self.storage, PostgresStorage)
        options = f"-c statement_timeout={_SERVER_PATIENCE_SECONDS * 1000}"
        with session(self.storage, connect_timeout=_SERVER_PATIENCE_SECONDS, options=options) as cursor:
            yield cursor

    @cached_property
    def instance(self) -> DagsterInstance:
        """Dagster's instance.

        Raises:
            NotLookedAtError: its metadata cannot be read, or there is none.
        """
        if self.unusable is not None:
            raise NotLookedAtError(self.unusable or "Dagster has not run yet")
        from dagster import DagsterInstance

        return DagsterInstance.from_config(str(self.home))


def others_may_read(path: Path) -> bool:
    """Whether somebody beside its owner may."""
    return path.exists() and bool(path.stat().st_mode & 0o077)


def in_environment(name: str) -> str | None:
    """What a variable holds."""
    return os.environ.get(name) or None
