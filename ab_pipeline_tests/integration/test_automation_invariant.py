"""NEVER LOST, NEVER DOUBLE: whatever happens to raw rows, ticks, runs and workers, ticks bring the daily table there.

A hypothesis state machine changes the raw tables of a warehouse (raw_changes.py), lets the sensor look at it, and
executes, delays, breaks or kills the runs it requests. HYPOTHESIS_PROFILE=thorough looks longer.
"""

from __future__ import annotations

import time
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterRun, DagsterRunStatus
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from ab_pipeline.automation.runs import days_of
from ab_pipeline_tests.daemon import Daemon, days, open_instance
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse
from ab_pipeline_tests.integration.how_long import HowLong, how_long
from ab_pipeline_tests.integration.raw_changes import RawChanges
from ab_pipeline_tests.mandated import built_rows, mandated_rows

pytestmark = pytest.mark.says_the_same_on_redshift

BREAKS = {
    # nothing is built
    "alter table raw_data.user_event rename to kept": "alter table raw_data.kept rename to user_event",
    # dimensions are built, and facts, but not the daily table
    "alter table analytics.built_day rename signature to taken_away": (
        "alter table analytics.built_day rename taken_away to signature"
    ),
}


class Automation(RawChanges):
    """Knows from the changes alone which days may be requested."""

    def __init__(self, warehouse: DbtWarehouse, home: Path) -> None:
        super().__init__(warehouse)
        self.daemon = Daemon.of_environment(open_instance(home))
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

    # When it settles

    def teardown(self) -> None:
        with self.daemon.instance:
            self.settle()
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


@pytest.fixture
def state_machine(warehouse: DbtWarehouse, tmp_path_factory: pytest.TempPathFactory) -> type[Automation]:
    class AutomationOfTheWarehouse(Automation):
        def __init__(self) -> None:
            super().__init__(warehouse, tmp_path_factory.mktemp("dagster_home"))

    return AutomationOfTheWarehouse


def test_nothing_is_lost_and_nothing_doubled(state_machine: type[Automation], warehouse: DbtWarehouse) -> None:
    looked_for = how_long(warehouse.target, local=HowLong(3, 20), redshift=HowLong(1, 12), thorough=HowLong(60, 40))
    run_state_machine_as_test(state_machine, settings=looked_for)
