"""An installation in a folder, as it should be, for tests to break."""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from dagster import DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from ab_pipeline.doctor.examine import examine, the_setup
from ab_pipeline.doctor.finding import Level
from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA
from ab_pipeline.settings import Settings, get_settings


def make_home(home: Path) -> None:
    """A DAGSTER_HOME whose daemon beats."""
    home.mkdir(parents=True)
    shutil.copy(PROJECT_ROOT / "deploy" / "dagster.yaml", home)
    with DagsterInstance.from_config(str(home)) as instance:
        beat(instance)


def beat(instance: DagsterInstance, age: float = 0.0, kinds: set[str] | None = None, error: str = "") -> None:
    at = dt.datetime.now(dt.UTC).timestamp() - age
    errors = [SerializableErrorInfo(error, [], "Error")] if error else None
    for kind in kinds or instance.get_required_daemon_types():
        instance.add_daemon_heartbeat(DaemonHeartbeat(at, kind, "of-the-tests", errors))


@dataclass(frozen=True)
class Place:
    """Its folders, and what the environment says of it."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def dagster_yaml(self) -> Path:
        return self.home / "dagster.yaml"

    def set(self, **settings: object) -> None:
        for name, value in settings.items():
            self.monkeypatch.setenv(f"AB_PIPELINE_{name.upper()}", str(value))

    def in_production(self) -> None:
        self.set(dagster_url="https://ab.example.com")

    def edit(self, old: str, new: str) -> None:
        text = self.dagster_yaml.read_text()
        assert old in text
        self.dagster_yaml.write_text(text.replace(old, new))

    def instance(self) -> DagsterInstance:
        return DagsterInstance.from_config(str(self.home))

    def sensor(self, name: str, status: InstigatorStatus, error: str = "") -> None:
        """A sensor as Dagster remembers it, with one tick."""
        location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="m"), location_name="m")
        origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), name)
        state = InstigatorState(origin, InstigatorType.SENSOR, status, SensorInstigatorData(min_interval=30))
        with self.instance() as instance:
            instance.add_instigator_state(state)
            tick = TickData(
                origin.get_id(),
                name,
                InstigatorType.SENSOR,
                TickStatus.FAILURE if error else TickStatus.SKIPPED,
                dt.datetime.now(dt.UTC).timestamp(),
                error=SerializableErrorInfo(error, [], "WarehouseError") if error else None,
                selector_id=state.selector_id,
            )
            instance.create_tick(tick)

    def sql(self, statement: str) -> None:
        with closing(sqlite3.connect(self.home / "history" / "runs.db")) as connection, connection:
            connection.execute(statement)

    def found(self, *areas: str) -> list[tuple[Level, str]]:
        """What is not as it should be, a line a finding; with its remedy, without which none is."""
        get_settings.cache_clear()
        examined = [one.finding for one in examine(the_setup(), areas)]
        bad = [finding for finding in examined if finding.level != Level.OK]
        assert all(finding.remedy for finding in bad), bad
        return [(finding.level, finding.says) for finding in bad]


def make_warehouse(path: Path) -> None:
    with duckdb.connect(path) as connection:
        connection.execute(f"create schema {SCHEMA}")
        for table in RAW_TABLES.values():
            connection.execute(table.create_statement())


def no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"AB_PIPELINE_{name.upper()}", raising=False)
