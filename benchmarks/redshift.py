"""What one day's refresh asks of Redshift: statements, and rows that are read, on the stand-in of the tests.

Its seconds say nothing. PostgreSQL's counters say how many rows were read, once it skips blocks as Redshift does: by
the smallest and largest value of the sort key in each, which PostgreSQL calls a BRIN index.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from time import sleep
from unittest.mock import patch

import psycopg2
from dagster import DagsterInstance

from ab_pipeline.automation.raw_changes import RawChanges
from ab_pipeline.automation.turns import Turns
from ab_pipeline.dbt.arguments import DayWindow
from ab_pipeline.raw_data.contract import RAW_TABLES
from ab_pipeline.sample_data.experiments import LAST_DAY
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.settings import load_settings
from ab_pipeline.warehouse.connect import warehouse_of
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from ab_pipeline_tests.dbt_warehouse import RedshiftDatabase
from ab_pipeline_tests.redshift.server import redshift_server
from ab_pipeline_tests.servers import server_folder

_SORTED_BY_DAY = ("raw_data.user_event", "analytics.fact_user_event", "analytics.analytics_variant_user_daily")
_ROWS_READ = """
    select schemaname || '.' || relname, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
    from pg_stat_user_tables
    where schemaname in ('raw_data', 'analytics')
"""


@dataclass(frozen=True)
class Cost:
    """What a refresh cost."""

    statements: int
    rows: int


def refresh_one_day(folder: Path, days: int, *, events_per_day: int = 5_000, users: int = 500) -> Cost:
    """The cost of the newest day's refresh, with that many days of history."""
    spec = SampleSpec(users=users, days=days, events_per_day=events_per_day)
    with _redshift(folder / f"dbt_{days}") as warehouse:
        _load(warehouse, folder / f"{days}.duckdb", spec)
        warehouse.refresh(full=True)
        for table in _SORTED_BY_DAY:
            _sort(warehouse, table)
        warehouse.execute("vacuum analyze")
        before = dict(warehouse.execute(_ROWS_READ))
        statements = len(warehouse.server.statements)
        start = datetime.combine(spec.end_date, time())
        warehouse.refresh(DayWindow(start, start + timedelta(days=1)))
        after = dict(warehouse.execute(_ROWS_READ))
        read = {table: number - before.get(table, 0) for table, number in after.items()}
        return Cost(len(warehouse.server.statements) - statements, sum(read.values()))


def looks_at(folder: Path, days: int, *, events_per_day: int = 500, users: int = 200) -> dict[str, Cost]:
    """What looks of the sensor cost, with that many days of history: by what had happened before each."""
    spec = SampleSpec(users=users, days=days, events_per_day=events_per_day, end_date=LAST_DAY)
    with _redshift(folder / f"dbt_looks_{days}") as warehouse, DagsterInstance.ephemeral() as instance:
        _load(warehouse, folder / f"looks_{days}.duckdb", spec)
        with patch.dict(os.environ, {"AB_PIPELINE_START_DATE": str(spec.first_day)}):
            warehouse.refresh(full=True, select=f"+{_SORTED_BY_DAY[-1].split('.')[1]} snapshot_user_*")
            for table in (*_SORTED_BY_DAY, "analytics.built_day"):
                _sort(warehouse, table)
            warehouse.execute("vacuum analyze")
            watched = _Watched(warehouse, instance)
            found = {"the first": watched.look()}
            found["nothing written"] = idle = watched.look()
            event = "insert into raw_data.user_event values (1, ?, 1, 1, 1, 500)"
            warehouse.execute(event, [datetime.combine(spec.end_date, time(12))])
            found["a row of the newest day"] = watched.look()
            warehouse.refresh(select=f"fact_user_event {_SORTED_BY_DAY[-1].split('.')[1]}")
            watched.look()
            warehouse.execute(event, [datetime.combine(spec.first_day, time(12))])
            found["a row of the first day, before it is looked for"] = watched.look()
            steps = 0
            while not watched.requested:
                cost, steps = watched.look(), steps + 1
                found[f"a row of the first day, step {steps}"] = cost
        # the stand-in's svv_table_info counts the rows of every table, which Redshift knows
        return {seen: Cost(cost.statements, max(0, cost.rows - idle.rows)) for seen, cost in found.items()}


@dataclass
class _Watched:
    """The sensor, and what its looks ask of the stand-in."""

    warehouse: RedshiftDatabase
    instance: DagsterInstance
    cursor: str | None = None
    requested: bool = False
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        settings = load_settings()
        self.sensor = RawChanges(settings, warehouse_of(settings), [], Turns())

    def look(self) -> Cost:
        """Another one, half a minute later."""
        self.now += timedelta(seconds=30)
        before = dict(self.warehouse.execute(_ROWS_READ))
        statements = len(self.warehouse.server.statements)
        result = self.sensor.tick(self.instance, self.cursor, self.now)
        self.cursor, self.requested = result.cursor, bool(result.run_requests)
        # counters are written a moment after a session has ended
        sleep(1.5)
        after = dict(self.warehouse.execute(_ROWS_READ))
        read = sum(number - before.get(table, 0) for table, number in after.items())
        return Cost(len(self.warehouse.server.statements) - statements, read)


@contextmanager
def _redshift(target_path: Path) -> Iterator[RedshiftDatabase]:
    with server_folder() as folder, redshift_server(folder) as server:
        settings = {f"AB_PIPELINE_{name}": value for name, value in server.settings().items()}
        # blocks are always skipped where they can be
        server.set_for_all_sessions("enable_seqscan", "off")
        with patch.dict(os.environ, {**settings, "SSL_CERT_FILE": str(server.certificate)}):
            warehouse = RedshiftDatabase(target_path, server)
            warehouse.create_raw_tables()
            yield warehouse


def _sort(warehouse: RedshiftDatabase, table: str) -> None:
    """As the sort key does: rows in its order, and blocks that know their smallest and largest value."""
    warehouse.execute(f"create index sorted on {table} (datestamp)")
    warehouse.execute(f"cluster {table} using sorted")
    warehouse.execute(f"drop index {table.split('.', maxsplit=1)[0]}.sorted")
    warehouse.execute(f"create index on {table} using brin (datestamp) with (pages_per_range = 1)")


def _load(warehouse: RedshiftDatabase, path: Path, spec: SampleSpec) -> None:
    with DuckDBWarehouse(path).open(read_only=False) as session, psycopg2.connect(warehouse.server.server_url) as there:
        generate(session, spec)
        for table in RAW_TABLES.values():
            file = path.with_name(f"{table.name}.csv")
            session.run(f"copy (select * from {table.relation} order by 2) to '{file}' (header false)")
            with file.open() as rows, there.cursor() as cursor:
                cursor.copy_expert(f"copy {table.relation} from stdin (format csv)", rows)
