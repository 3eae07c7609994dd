"""Loading a file beside DuckDB's own reader: the same rows, into a table of a new file each."""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.measure import seconds_of

_EVENTS = """
    select (hash(i) % 1000000)::int as user_id,
           timestamp '2025-01-01' + to_seconds((i * 17) % 8640000) as datestamp,
           (hash(i * 7) % 5000)::int as item_id,
           (hash(i * 3) % 10 < 2)::int as clicked,
           (hash(i * 5) % 20 < 1)::int as purchased,
           case when hash(i * 5) % 20 < 1 then (hash(i * 11) % 10000)::int else 0 end as paidamount
    from range({rows}) t(i)
"""
_LOAD = """
import sys
from pathlib import Path
from time import perf_counter
from ab_pipeline.raw_data.contract import USER_EVENT
from ab_pipeline.raw_data.load import load
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse

with DuckDBWarehouse(Path(sys.argv[1])).open(read_only=False) as session:
    started = perf_counter()
    load(session, USER_EVENT, [sys.argv[2]])
    print(perf_counter() - started)
"""


@dataclass(frozen=True)
class Loaded:
    """One load: its seconds, those of DuckDB's own reader, and the most memory that its process had, in bytes."""

    ours: float
    duckdb: float
    peak_bytes: int


def write_events(folder: Path, rows: int) -> dict[str, Path]:
    """The same events as CSV and as Parquet."""
    paths = {ending: folder / f"events.{ending}" for ending in ("csv", "parquet")}
    with duckdb.connect() as connection:
        for path in paths.values():
            connection.execute(f"copy ({_EVENTS.format(rows=rows)}) to '{path}'")
    return paths


def load_once(folder: Path, path: Path) -> Loaded:
    """Each into a warehouse of its own; ours in a process of its own, whose memory is measured."""
    bare, ours = folder / "bare.duckdb", folder / "ours.duckdb"
    for warehouse in (bare, ours):
        warehouse.unlink(missing_ok=True)
    reader = "read_csv" if path.suffix == ".csv" else "read_parquet"
    with duckdb.connect(bare) as connection:
        seconds = seconds_of(lambda: connection.execute(f"create table events as from {reader}('{path}')"))
    process = subprocess.run(
        [sys.executable, "-c", _LOAD, str(ours), str(path)], capture_output=True, text=True, check=True
    )
    # before it there may be DuckDB's bar
    own = float(process.stdout.split()[-1])
    return Loaded(own, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
