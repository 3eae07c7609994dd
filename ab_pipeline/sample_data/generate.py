"""Writes the sample into the raw tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from ab_pipeline.raw_data import loaded_files
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA, USER_EVENT, USER_METADATA, USER_VARIANT
from ab_pipeline.sample_data.events import Span, events_query, landed_late, spans
from ab_pipeline.sample_data.spec import SampleSpec, SampleSummary
from ab_pipeline.sample_data.users import metadata_query, variant_query
from ab_pipeline.warehouse.base import transaction
from ab_pipeline.warehouse.duckdb import DuckDBSession

_EVENTS_PER_STATEMENT = 1_000_000


def generate(
    session: DuckDBSession, spec: SampleSpec, *, on_day: Callable[[int], None] = lambda _: None
) -> SampleSummary:
    """Replace the three raw tables by the sample, all or nothing.

    `on_day` hears, every now and then, how many of the days are written.
    """
    numbers = range(spec.events_per_day)
    is_late = landed_late(spec)
    batches = list(spans(spec, _EVENTS_PER_STATEMENT))
    with transaction(session):
        session.run(f"create schema if not exists {SCHEMA}")
        loaded_files.forget_all(session, list(RAW_TABLES))
        for table in RAW_TABLES.values():
            session.run(f"drop table if exists {table.relation}")
            session.run(table.create_statement())
        for span in batches:
            _append_events(session, events_query(spec, span, numbers=numbers, where=f"not ({is_late})"))
            on_day((span.last - spec.first_day).days + 1)
        for span in batches:
            _append_events(session, events_query(spec, span, numbers=numbers, where=is_late))
        session.run(f"insert into {USER_METADATA.relation} {metadata_query(spec)}")
        session.run(f"insert into {USER_VARIANT.relation} {variant_query(spec)}")
        return SampleSummary(
            rows={name: _count(session, table.relation) for name, table in RAW_TABLES.items()},
            first_day=spec.first_day,
            last_day=spec.end_date,
        )


def late_rows(session: DuckDBSession, spec: SampleSpec, day: dt.date, rows: int) -> int:
    """Append `rows` events that happened on a day of the sample and only land now; how many were written.

    Every call appends new events: they continue the numbering of the day's rows.

    Raises:
        ValueError: the day is none of the sample's, or rows is not positive.
    """
    if not spec.first_day <= day <= spec.end_date:
        raise ValueError(f"{day} is outside the sample, {spec.first_day} to {spec.end_date}")
    if rows < 1:
        raise ValueError(f"rows must be at least 1, not {rows}")
    with transaction(session):
        landed = _count(session, f"{USER_EVENT.relation} where datestamp::date = date '{day}'")
        numbers = range(landed, landed + rows)
        _append_events(session, events_query(spec, Span(day, day), numbers=numbers))
    return rows


def _append_events(session: DuckDBSession, query: str) -> None:
    session.run(f"insert into {USER_EVENT.relation} {query}")


def _count(session: DuckDBSession, relation: str) -> int:
    return session.rows(f"select count(*) from {relation}")[0][0]
