"""Where `dagster.yaml` says that Dagster's metadata is, found without opening it: it may be damaged."""

from __future__ import annotations

import importlib
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ab_pipeline.errors import UserError
from ab_pipeline.paths import PROJECT_ROOT

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData


class StorageError(UserError):
    """Dagster's storage cannot be used. The message says why and what to do."""


@dataclass(frozen=True)
class SqliteStorage:
    """Dagster's files: `runs` and `schedules` are databases, `events` is a folder with one a run and an index."""

    runs: Path
    events: Path
    schedules: Path

    @classmethod
    def below(cls, home: Path) -> SqliteStorage:
        """Where Dagster keeps them by default."""
        return cls(home / "history" / "runs.db", home / "history" / "runs", home / "schedules" / "schedules.db")

    @property
    def index(self) -> Path:
        """The event log's index over all runs."""
        return self.events / "index.db"

    def shards(self) -> list[Path]:
        """The databases of single runs, by name; that of events without a run is called `.db`."""
        return sorted(path for path in self.events.iterdir() if path.name.endswith(".db") and path != self.index)

    def exists(self) -> bool:
        """Whether there is anything that a restore would replace."""
        return self.runs.exists() or self.schedules.exists()

    def __str__(self) -> str:
        return f"SQLite in {self.runs.parent}"


@dataclass(frozen=True)
class PostgresStorage:
    """A PostgreSQL database, by a URL that libpq understands."""

    url: str

    @property
    def sqlalchemy_url(self) -> str:
        """The URL with the driver that is installed."""
        return self.url.replace("postgresql://", "postgresql+psycopg2://", 1)

    def __str__(self) -> str:
        from sqlalchemy.engine import make_url

        return f"PostgreSQL at {make_url(self.url).render_as_string(hide_password=True)}"


DagsterStorage = SqliteStorage | PostgresStorage


def open_sqlite(path: Path, mode: str, timeout: float) -> sqlite3.Connection:
    """A database file that is there, `ro` or `rw`, whatever characters its path has; each statement a transaction."""
    return sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=timeout, isolation_level=None)


def dagster_home() -> Path:
    """DAGSTER_HOME, or the folder that `make dev` uses."""
    return Path(os.environ.get("DAGSTER_HOME") or PROJECT_ROOT / ".dagster").expanduser().absolute()


def check_home(home: Path) -> None:
    """Nothing, if the folder is there.

    Raises:
        StorageError: it is not.
    """
    if not home.is_dir():
        raise StorageError(f"{home} does not exist: set DAGSTER_HOME to the folder with dagster.yaml")


def dagster_storage(home: Path) -> DagsterStorage:
    """The storage that `dagster.yaml` in the folder names.

    Raises:
        StorageError: it names one that is neither all SQLite nor all PostgreSQL, or cannot be read.
    """
    check_home(home)
    from dagster._core.instance.ref import InstanceRef
    from dagster_shared.error import DagsterError
    from yaml import YAMLError

    try:
        ref = InstanceRef.from_dir(str(home))
        whole = ref.storage_data
        if whole and whole.class_name != "CompositeStorage":
            return _of_parts([_resolved(whole, home)])
        parts = [ref.run_storage_data, ref.event_storage_data, ref.schedule_storage_data]
        return _of_parts([_resolved(data, home) for data in parts if data])
    except (DagsterError, YAMLError) as error:
        raise StorageError(f"{home / 'dagster.yaml'}: {error}") from error


def postgres_storage(url: str) -> PostgresStorage:
    """The storage at a URL, whatever driver it names.

    Raises:
        StorageError: the URL is not PostgreSQL's.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise StorageError(f"{url} is not of the form postgresql://user@host:5432/database")
    return PostgresStorage(f"postgresql://{rest}")


def _resolved(data: ConfigurableClassData, home: Path) -> tuple[type, Mapping[str, Any]]:
    """The class, and its configuration with `env:` replaced."""
    from dagster._config import process_config, resolve_to_config_type
    from dagster._core.errors import DagsterInvalidConfigError

    storage_class = getattr(importlib.import_module(data.module_name), data.class_name)
    result = process_config(resolve_to_config_type(storage_class.config_type()), data.config_dict)
    if not result.success or result.value is None:
        raise DagsterInvalidConfigError("storage", result.errors, data.config_dict)
    return storage_class, {"base_dir": str(home / "history" / "runs"), **result.value}


def _of_parts(parts: list[tuple[type, Mapping[str, Any]]]) -> DagsterStorage:
    from dagster._core.storage.event_log import SqliteEventLogStorage
    from dagster._core.storage.runs import SqliteRunStorage
    from dagster._core.storage.schedules import SqliteScheduleStorage
    from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

    names = [storage_class.__name__ for storage_class, _ in parts]
    folders = [Path(config["base_dir"]).absolute() for _, config in parts]
    if issubclass(parts[0][0], DagsterSqliteStorage):
        return SqliteStorage.below(folders[0])
    sqlite = (SqliteRunStorage, SqliteEventLogStorage, SqliteScheduleStorage)
    if len(parts) == len(sqlite) and all(issubclass(part[0], base) for part, base in zip(parts, sqlite, strict=True)):
        return SqliteStorage(folders[0] / "runs.db", folders[1], folders[2] / "schedules.db")
    if all(storage_class.__module__.startswith("dagster_postgres.") for storage_class, _ in parts):
        from dagster_postgres.utils import pg_url_from_config

        urls = {
            pg_url_from_config({name: config[name] for name in config if name != "base_dir"}) for _, config in parts
        }
        if len(urls) == 1:
            return postgres_storage(urls.pop())
    raise StorageError(
        f"{', '.join(names)}: only a storage that is all SQLite, or all one PostgreSQL database, is known"
    )
