"""What one day's refresh asks of Redshift: statements, and rows that are read, on the stand-in of the tests.

Its seconds say nothing. PostgreSQL's counters say how many rows were read, once it skips blocks as Redshift does: by
the smallest and largest value of the sort key in each, which PostgreSQL calls a BRIN index.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from unittest.mock import patch

import psycopg2

from ab_pipeline.dbt.arguments import DayWindow
from ab_pipeline.raw_data.contract import RAW_TABLES
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
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
