"""Writing the sample: what lands in the raw tables, in which order, and again the same."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import duckdb
import pytest

from ab_pipeline.raw_data.contract import RAW_TABLES
from ab_pipeline.sample_data.generate import generate, late_rows
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.warehouse.duckdb import DuckDBSession

pytestmark = pytest.mark.slow

SPEC = SampleSpec(users=500, days=20, events_per_day=1_000, late_share=0.1)
A_DAY = dt.date(2025, 2, 20)


def content(session: DuckDBSession) -> dict[str, list]:
    return {name: session.rows(f"from {table.relation} order by all") for name, table in RAW_TABLES.items()}


def sample(spec: SampleSpec, threads: int = 2) -> dict[str, list]:
    with duckdb.connect(config={"threads": threads}) as connection:
        session = DuckDBSession(connection)
        generate(session, spec)
        return content(session)


@pytest.fixture
def session() -> Iterator[DuckDBSession]:
    with duckdb.connect() as connection:
        yield DuckDBSession(connection)


@pytest.fixture
def sampled(session: DuckDBSession) -> DuckDBSession:
    generate(session, SPEC)
    return session


def test_equal_specs_give_equal_rows_whatever_the_threads() -> None:
    assert sample(SPEC, threads=1) == sample(SPEC, threads=4)


def test_another_seed_gives_other_rows_in_every_table() -> None:
    one, other = sample(SPEC), sample(replace(SPEC, seed=2))
    assert all(one[name] != other[name] for name in RAW_TABLES)


def test_a_days_events_do_not_depend_on_the_other_days() -> None:
    long, short = sample(SPEC)["user_event"], sample(replace(SPEC, days=5))["user_event"]
    assert [event for event in long if event[1].date() > A_DAY + dt.timedelta(days=4)] == short


def test_columns_and_types_are_the_contracts(sampled: DuckDBSession) -> None:
    duckdb_names = {"integer": "INTEGER", "timestamp": "TIMESTAMP"}
    for table in RAW_TABLES.values():
        assert [row[:2] for row in sampled.rows(f"describe {table.relation}")] == [
            (column.name, duckdb_names.get(column.type, "VARCHAR")) for column in table.columns
        ]


def test_every_day_has_exactly_its_events_and_the_summary_counts_them(session: DuckDBSession) -> None:
    summary = generate(session, SPEC)
    days = session.rows("select datestamp::date, count(*) from raw_data.user_event group by 1 order by 1")
    assert days == [(SPEC.first_day + dt.timedelta(days=n), SPEC.events_per_day) for n in range(SPEC.days)]
    assert (summary.first_day, summary.last_day) == (SPEC.first_day, SPEC.end_date)
    assert summary.rows == {name: len(rows) for name, rows in content(session).items()}


def test_the_late_share_of_each_day_lies_behind_all_other_events(sampled: DuckDBSession) -> None:
    late = sampled.rows("""
        with event as (select rowid as position, datestamp::date as day from raw_data.user_event),
        newest_day as (select position, day, max(day) over (order by position) as newest from event),
        turn as (select min(position) as position from newest_day where day < newest)
        select count(*) from event where position >= (select position from turn) group by day
    """)
    assert len(late) == SPEC.days
    assert sum(rows for (rows,) in late) == pytest.approx(SPEC.days * 100, rel=0.1)


def test_progress_counts_up_to_the_number_of_days(session: DuckDBSession) -> None:
    heard: list[int] = []
    generate(session, SPEC, on_day=heard.append)
    assert len(heard) > 1
    assert heard == sorted(set(heard))
    assert heard[-1] == SPEC.days


def test_a_second_sample_replaces_the_first(sampled: DuckDBSession) -> None:
    other = replace(SPEC, seed=2)
    generate(sampled, other)
    assert content(sampled) == sample(other)


def test_a_sample_cut_short_leaves_the_tables_as_they_were(sampled: DuckDBSession) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    before = content(sampled)
    with pytest.raises(KeyboardInterrupt):
        generate(sampled, replace(SPEC, seed=2), on_day=stop)
    assert content(sampled) == before


def test_late_rows_are_new_events_of_the_day_at_the_end_of_the_table(sampled: DuckDBSession) -> None:
    before = sampled.rows("from raw_data.user_event")
    assert late_rows(sampled, SPEC, A_DAY, 30) == 30
    assert late_rows(sampled, SPEC, A_DAY, 20) == 20
    after = sampled.rows("from raw_data.user_event")
    assert after[: len(before)] == before
    assert {event[1].date() for event in after[len(before) :]} == {A_DAY}
    assert len(set(after)) == len(set(before)) + 50


@pytest.mark.parametrize(
    ("day", "rows", "sentence"),
    [
        (
            SPEC.first_day - dt.timedelta(days=1),
            1,
            "2025-02-09 is outside the sample, 2025-02-10 to 2025-03-01",
        ),
        (SPEC.end_date + dt.timedelta(days=1), 1, "2025-03-02 is outside the sample"),
        (A_DAY, 0, "rows must be at least 1, not 0"),
    ],
)
def test_late_rows_that_cannot_be_are_refused(sampled: DuckDBSession, day: dt.date, rows: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        late_rows(sampled, SPEC, day, rows)
