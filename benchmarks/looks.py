"""Signatures of every day of 100 M raw rows / one bare GROUP BY of them, with the file in the page cache and not."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ab_pipeline.warehouse.duckdb import DuckDBSession, DuckDBWarehouse
from benchmarks.measure import seconds_of

_SEED = ("user_id", "datestamp", "item_id", "clicked", "purchased", "paidamount")
_WIDE = (*_SEED, "session", "page", "price", "score", "sequence", "country")
_BARE_SEED = "sum(user_id), sum(item_id), sum(clicked), sum(purchased), sum(paidamount)"
_BARE_WIDE = f"{_BARE_SEED}, max(session), max(page), sum(price), sum(score), sum(sequence), max(country)"


@dataclass(frozen=True)
class LookCosts:
    """Median seconds of the signatures of every day and of a bare aggregate of the same columns."""

    what: str
    ours: float
    bare: float


def look_costs(folder: Path, rows: int, runs: int) -> Iterator[LookCosts]:
    """Of the seed's six columns and of twelve with UUID and text; cached, and read from the disk."""
    path = folder / "looks.duckdb"
    _generate(path, rows)
    for columns, bare in ((_SEED, _BARE_SEED), (_WIDE, _BARE_WIDE)):
        for is_cached in (True, False):
            what = f"{len(columns)} columns, {'in the page cache' if is_cached else 'from the disk'}"
            ours, theirs = [], []
            for _ in range(runs):
                ours.append(_seconds(path, lambda session: _signatures(session, columns), is_cached))  # noqa: B023
                theirs.append(_seconds(path, lambda session: _aggregate(session, bare), is_cached))  # noqa: B023
            yield LookCosts(what, statistics.median(ours), statistics.median(theirs))


def _generate(path: Path, rows: int) -> None:
    with duckdb.connect(path) as connection:
        connection.execute("create schema raw_data")
        connection.execute(
            f"""
            create table raw_data.event as
            select
                (random() * 1e6)::integer as user_id,
                timestamp '2025-01-01' + to_microseconds((i / {rows} * 100 * 86400e6)::bigint) as datestamp,
                (random() * 5000)::integer as item_id,
                (random() < 0.1)::integer as clicked,
                (random() < 0.02)::integer as purchased,
                case when random() < 0.02 then (random() * 5000)::integer else 0 end as paidamount,
                uuid() as session,
                '/product/' || (random() * 1000)::integer as page,
                (random() * 100)::decimal(18, 2) as price,
                random() as score,
                i::bigint as sequence,
                'country ' || (random() * 50)::integer as country
            from range({rows}) as event(i)
            """
        )


def _signatures(session: DuckDBSession, columns: tuple[str, ...]) -> None:
    # what `signatures.raw_days` asks
    session.rows(
        f"select cast(cast(datestamp as date) as varchar), count(*), {session.signature(columns)}"
        " from raw_data.event group by cast(datestamp as date) order by 1"
    )


def _aggregate(session: DuckDBSession, columns: str) -> None:
    session.rows(f"select cast(datestamp as date), count(*), {columns} from raw_data.event group by 1")


def _seconds(path: Path, ask: Callable[[DuckDBSession], None], is_cached: bool) -> float:
    """With a connection of its own, as a look has."""
    if is_cached:
        with _opened(path) as session:
            ask(session)
    else:
        _forget(path)
    with _opened(path) as session:
        return seconds_of(lambda: ask(session))


@contextmanager
def _opened(path: Path) -> Iterator[DuckDBSession]:
    with DuckDBWarehouse(path).open() as session:
        yield session


def _forget(path: Path) -> None:
    """Have the kernel drop what it keeps of the file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
