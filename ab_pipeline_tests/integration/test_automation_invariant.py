"""NEVER LOST, NEVER DOUBLE, NEVER SAID WHAT IS NOT SO.

Whatever happens to raw rows, the registry, the file, ticks, runs and workers, ticks bring the daily table there, and
what they say on the way is what is so. A hypothesis state machine changes the raw tables of a warehouse
(raw_changes.py), lets the sensor look at it, and executes, delays, breaks or kills the runs it requests. After every
step the truth is asked of the tables themselves, by EXCEPT over raw and built. HYPOTHESIS_PROFILE=thorough looks
longer.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import cast

import duckdb
import pytest
from dagster import DagsterRun, DagsterRunStatus, RunRequest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from ab_pipeline.automation.raw_changes import RawChanges as RawChangesSensor
from ab_pipeline.automation.runs import days_in_flight, days_of
from ab_pipeline.automation.sentences import NOTHING_DUE
from ab_pipeline.automation.turns import Turns
from ab_pipeline.paths import PROJECT_DIR, REGISTRY
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import WarehouseError
from ab_pipeline.warehouse.connect import warehouse_of
from ab_pipeline_tests.daemon import Daemon, days, open_instance
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse, DuckDBFile
from ab_pipeline_tests.integration.how_long import HowLong, how_long
from ab_pipeline_tests.integration.raw_changes import RawChanges
from ab_pipeline_tests.integration.raw_changes import days as days_of_events
from ab_pipeline_tests.mandated import BUILT_TABLE, MANDATED_SELECT, built_rows, mandated_rows

pytestmark = pytest.mark.says_the_same_on_redshift

BREAKS = {
    # nothing is built
    "alter table raw_data.user_event rename to kept": "alter table raw_data.kept rename to user_event",
    # dimensions are built, and facts, but not the daily table
    "alter table analytics.built_day rename signature to taken_away": (
        "alter table analytics.built_day rename taken_away to signature"
    ),
}
WAITS = ("is being refreshed by ", "failed ", "comes with the next tick", "is no partition")


DIFFERING = (
    f"select * from (({MANDATED_SELECT}) except ({BUILT_TABLE})) as missing"
    f" union all select * from (({BUILT_TABLE}) except ({MANDATED_SELECT})) as surplus"
)
CAPS = ("0.99", "0.95", "0.5")


class Automation(RawChanges):
    """Knows from the changes alone which days may be requested."""

    def __init__(self, warehouse: DbtWarehouse, home: Path, registry: Path) -> None:
        super().__init__(warehouse)
        self.registry = registry
        shutil.copytree(REGISTRY, registry, dirs_exist_ok=True)
        self.daemon = Daemon.of_environment(open_instance(home))
        # looks without anything coming of it, so it takes nobody's turn
        self.observer = RawChangesSensor(
            self.daemon.settings, warehouse_of(self.daemon.settings), [self.daemon.assets], Turns()
        )
        self.cursors: list[str | None] = [None]
        self.changed: set[date | None] = set()

    def day_changed(self, moment: datetime | None) -> None:
        self.changed.add(moment.date() if moment else None)

    def dimensions_changed(self) -> None:
        pass

    # The daemon

    @rule()
    def the_sensor_ticks(self) -> None:
        self.check_requests(self.daemon.tick())
        self.cursors.append(self.daemon.cursor)

    @rule()
    def the_sensor_ticks_and_the_oldest_run_is_executed(self) -> None:
        self.the_sensor_ticks()
        for run in self.daemon.waiting_runs()[:1]:
            self.execute(run)

    @rule()
    def every_day_is_compared(self) -> None:
        self.check_requests(self.daemon.sweep())

    @rule()
    def the_sensor_and_the_sweep_look_at_once(self) -> None:
        looks = [self.daemon.evaluate().run_requests or [], self.daemon.evaluate_sweep().requests]
        self.check_requests(self.daemon.submit([*looks[0], *looks[1]]))

    @rule(number=st.integers(0, 99))
    def the_cursor_is_lost_or_an_older_one(self, number: int) -> None:
        self.daemon.cursor = self.cursors[number % len(self.cursors)]

    @rule(hours=st.sampled_from([0.02, 1, 7, 72]))
    def time_passes(self, hours: float) -> None:
        self.daemon.now += timedelta(hours=hours)

    # Runs

    @precondition(lambda self: self.daemon.waiting_runs())
    @rule(newest=st.booleans())
    def a_run_is_executed(self, newest: bool) -> None:
        self.execute(self.daemon.waiting_runs()[-1 if newest else 0])

    @precondition(lambda self: self.daemon.waiting_runs())
    @rule(how=st.sampled_from(sorted(BREAKS)))
    def a_run_fails(self, how: str) -> None:
        run = self.daemon.waiting_runs()[0]
        if "built_day" in how and not self.exists("built_day"):
            return
        self.warehouse.execute(how)
        assert not self.daemon.execute(run)
        self.warehouse.execute(BREAKS[how])

    @precondition(lambda self: self.daemon.waiting_runs())
    @rule(seconds=st.floats(0, 3))
    def a_run_is_killed(self, seconds: float) -> None:
        run = self.daemon.waiting_runs()[0]
        process = self.daemon.start(run)
        while process.is_alive() and self.status(run) == DagsterRunStatus.NOT_STARTED:
            time.sleep(0.05)
        process.join(seconds)
        process.kill()
        process.join()
        if self.status(run) == DagsterRunStatus.SUCCESS:
            self.changed -= set(days_of(run))

    @precondition(lambda self: self.daemon.waiting_runs())
    @rule()
    def a_queued_run_is_cancelled(self) -> None:
        self.daemon.instance.report_run_canceled(self.daemon.waiting_runs()[0])

    @rule()
    def somebody_refreshes_with_plain_dbt(self) -> None:
        self.warehouse.refresh()

    # The registry

    @rule(cap=st.sampled_from(CAPS))
    def a_declaration_is_edited(self, cap: str) -> None:
        path = self.registry / "metrics.csv"
        path.write_text(re.sub(r",0\.\d+,(?=increase,secondary)", f",{cap},", path.read_text()))

    # The file, where it is one

    @precondition(lambda self: isinstance(self.warehouse, DuckDBFile))
    @rule()
    def the_file_cannot_be_read_for_a_while(self) -> None:
        path = cast("DuckDBFile", self.warehouse).path
        aside = path.with_suffix(".aside")
        path.rename(aside)
        for content in (None, "not a database" * 1000):
            if content:
                path.write_text(content)
            with pytest.raises(WarehouseError):
                self.daemon.evaluate()
        aside.replace(path)

    @precondition(lambda self: isinstance(self.warehouse, DuckDBFile))
    @rule()
    def the_file_is_put_back_from_a_copy(self) -> None:
        path = cast("DuckDBFile", self.warehouse).path
        copy = path.with_suffix(".copy")
        shutil.copy(path, copy)
        copy.replace(path)

    @precondition(lambda self: isinstance(self.warehouse, DuckDBFile))
    @rule(day=days_of_events)
    def another_database_is_looked_at_in_between(self, day: date) -> None:
        """Of the same home, with the same sensor: its cursor goes from one to the other and back."""
        other_path = cast("DuckDBFile", self.warehouse).path.with_name("another.duckdb")
        with duckdb.connect(other_path) as connection:
            connection.execute(f"create schema if not exists {SCHEMA}")
            for table in RAW_TABLES.values():
                connection.execute(table.create_statement())
            connection.execute("insert into raw_data.user_event values (1, ?, 7, 1, 1, 100)", [day])
        settings = self.daemon.settings.model_copy(update={"duckdb_path": other_path})
        other = RawChangesSensor(settings, warehouse_of(settings), [self.daemon.assets], self.daemon.changes._turns)
        found = other.tick(self.daemon.instance, self.daemon.cursor, self.daemon.now)
        in_flight = days_in_flight(self.daemon.instance)
        requested = {one for request in found.run_requests or [] for one in days_of_request(request)}
        assert day in requested | in_flight.keys()
        self.daemon.cursor = found.cursor

    # What is said

    def differs(self) -> bool:
        """The truth, asked of the tables alone."""
        if not self.exists("analytics_variant_user_daily"):
            return self.has_rows("user_event")
        return bool(self.warehouse.execute(f"{DIFFERING} limit 1"))

    @precondition(lambda self: isinstance(self.warehouse, DuckDBFile))
    @invariant()
    def what_is_said_is_what_is_so(self) -> None:
        seen = self.observer.look(self.daemon.instance, self.daemon.cursor, self.daemon.now)
        assert seen.said.startswith("compared: ")
        if self.differs():
            assert NOTHING_DUE not in seen.said
            assert seen.requests or any(word in seen.said for word in WAITS), seen.said
        if NOTHING_DUE in seen.said:
            assert not self.differs()
            assert not seen.requests

    # When it settles

    def teardown(self) -> None:
        with self.daemon.instance:
            self.settle()
            if self.exists("metrics"):
                [(cap,)] = self.warehouse.execute("select cap from analytics.metrics where cap is not null")
                assert f",{cap}," in (self.registry / "metrics.csv").read_text()
        with self.warehouse.connect() as connection:
            built = built_rows(connection)
            assert built == mandated_rows(connection)
        self.warehouse.refresh(full=True)
        with self.warehouse.connect() as connection:
            assert built_rows(connection) == built

    def settle(self) -> None:
        for _ in range(30):
            self.the_sensor_ticks()
            for run in self.daemon.waiting_runs():
                self.execute(run)
            if self.daemon.is_settled():
                return
            if not isinstance(self.warehouse, DuckDBFile):
                # where a look does not compare every day
                self.every_day_is_compared()
            # beyond the longest wait of a day that failed
            self.daemon.now += timedelta(hours=7)
        raise AssertionError(f"never settles: {self.daemon.evaluate()}")

    # The model

    def check_requests(self, runs: list[DagsterRun]) -> None:
        """Days that changed, each once, and at most one more, for what belongs to no day."""
        requested = days(runs)
        assert len(requested) == len(set(requested))
        assert len(set(requested) - self.changed) <= 1

    def execute(self, run: DagsterRun) -> None:
        assert self.daemon.execute(run)
        self.changed -= set(days_of(run))

    def status(self, run: DagsterRun) -> DagsterRunStatus:
        now = self.daemon.instance.get_run_by_id(run.run_id)
        assert now
        return now.status

    def exists(self, table: str) -> bool:
        names = "select table_name from information_schema.tables where table_name = ?"
        return bool(self.warehouse.execute(names, [table]))


def days_of_request(request: RunRequest) -> Iterator[date]:
    first, last = (request.tags[tag] for tag in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG))
    for ordinal in range(date.fromisoformat(first).toordinal(), date.fromisoformat(last).toordinal() + 1):
        yield date.fromordinal(ordinal)


@pytest.fixture
def state_machine(
    warehouse: DbtWarehouse, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[type[Automation]]:
    registry = tmp_path_factory.mktemp("registry")
    monkeypatch.setenv("AB_PIPELINE_REGISTRY", str(registry))

    class AutomationOfTheWarehouse(Automation):
        def __init__(self) -> None:
            super().__init__(warehouse, tmp_path_factory.mktemp("dagster_home"), registry)

    yield AutomationOfTheWarehouse
    link = Settings().registry_link
    assert link
    link.unlink(missing_ok=True)
    shutil.rmtree(PROJECT_DIR / "target" / Settings().dbt_folder, ignore_errors=True)


def test_nothing_is_lost_and_nothing_doubled(state_machine: type[Automation], warehouse: DbtWarehouse) -> None:
    looked_for = how_long(warehouse.target, local=HowLong(3, 20), redshift=HowLong(1, 12), thorough=HowLong(60, 40))
    run_state_machine_as_test(state_machine, settings=looked_for)
