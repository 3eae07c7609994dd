"""What one look of the raw-change sensor costs, and how long a committed row takes to reach the daily table."""

from __future__ import annotations

import datetime as dt
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import duckdb
from dagster import AssetsDefinition, DagsterInstance, DagsterRunStatus, SensorResult

from ab_pipeline.automation.raw_changes import RawChanges
from ab_pipeline.automation.turns import Turns
from ab_pipeline.settings import load_settings
from ab_pipeline.warehouse.connect import warehouse_of
from benchmarks.measure import seconds_of
from benchmarks.running_dagster import running_dagster_dev
from benchmarks.warehouse import ScratchWarehouse

_LATENCY_TIMEOUT = 180


@dataclass(frozen=True)
class TickCosts:
    """Median seconds of one look."""

    idle: float
    after_a_change: float
    bare_group_by: float


@dataclass(frozen=True)
class Latency:
    """Seconds from the commit of a raw row to the end of the run that brought it into the daily table."""

    noticed: float
    """Until the sensor had requested the run: at the most its interval, 5 s, and one look."""
    queued: float
    """Until the run's process had begun."""
    refreshed: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.noticed + self.queued + self.refreshed


def tick_costs(warehouse: ScratchWarehouse, runs: int) -> TickCosts:
    """Looks at a warehouse that is built: nothing changed; then, each time, one day did."""
    with _instance(warehouse) as instance:
        changes = _raw_changes()

        def tick(cursor: str | None) -> SensorResult:
            return changes.tick(instance, cursor, dt.datetime.now(dt.UTC))

        settled = tick(None)
        assert not settled.run_requests, f"{warehouse.path} is not built"
        idle = [seconds_of(lambda: tick(settled.cursor)) for _ in range(20)]
        changed, bare = [], []
        for _ in range(runs):
            _commit_a_row(warehouse)
            changed.append(seconds_of(lambda: _require_a_request(tick(settled.cursor))))
            bare.append(seconds_of(lambda: _bare_group_by(warehouse)))
    return TickCosts(*map(statistics.median, (idle, changed, bare)))


def _raw_changes() -> RawChanges:
    from ab_pipeline.definitions import defs

    settings = load_settings()
    assets = [found for found in defs.assets or [] if isinstance(found, AssetsDefinition)]
    return RawChanges(settings, warehouse_of(settings), assets, Turns())


def latencies(warehouse: ScratchWarehouse, runs: int) -> list[Latency]:
    """Rows that are committed one after the other beside a running `dagster dev`, which nobody asks for anything."""
    with running_dagster_dev(warehouse), _instance(warehouse) as instance:
        return [_latency(warehouse, instance) for _ in range(runs)]


def _latency(warehouse: ScratchWarehouse, instance: DagsterInstance) -> Latency:
    before = {run.run_id for run in instance.get_runs()}
    _commit_a_row(warehouse)
    committed = time.time()
    while time.time() < committed + _LATENCY_TIMEOUT:
        for record in instance.get_run_records():
            if record.dagster_run.run_id not in before and record.dagster_run.status == DagsterRunStatus.SUCCESS:
                assert record.start_time
                assert record.end_time
                created = record.create_timestamp.timestamp()
                return Latency(created - committed, record.start_time - created, record.end_time - record.start_time)
        time.sleep(0.2)
    raise RuntimeError(f"no run succeeded within {_LATENCY_TIMEOUT} s of a committed row")


@contextmanager
def _instance(warehouse: ScratchWarehouse) -> Iterator[DagsterInstance]:
    with patch.dict(os.environ, warehouse.environment), DagsterInstance.get() as instance:
        yield instance


def _commit_a_row(warehouse: ScratchWarehouse) -> None:
    while True:
        try:
            with duckdb.connect(warehouse.path) as connection:
                connection.execute(
                    "insert into raw_data.user_event values (1, ?, 1, 1, 1, 500)",
                    [dt.datetime.combine(warehouse.spec.end_date, dt.time(12))],
                )
            return
        except duckdb.IOException:  # a run or the sensor has the file
            time.sleep(0.05)


def _require_a_request(result: SensorResult) -> None:
    assert result.run_requests, f"the changed day was not seen: {result.skip_reason}"


def _bare_group_by(warehouse: ScratchWarehouse) -> None:
    with duckdb.connect(warehouse.path, read_only=True) as connection:
        connection.execute(
            "select cast(datestamp as date), count(*), sum(user_id), sum(item_id), sum(clicked), sum(purchased),"
            " sum(paidamount) from raw_data.user_event group by 1"
        ).fetchall()
