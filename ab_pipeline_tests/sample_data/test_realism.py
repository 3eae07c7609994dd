"""The default sample has the traits of real data that the pipeline must cope with."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from ab_pipeline.sample_data.experiments import BROKEN_SAMPLE_RATIO, EXPERIMENTS, Experiment
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.warehouse.duckdb import DuckDBSession

pytestmark = pytest.mark.slow

SPEC = SampleSpec()
IS_WEEKEND = "isodow(datestamp) >= 6"


@pytest.fixture(scope="module")
def session() -> Iterator[DuckDBSession]:
    with duckdb.connect() as connection:
        session = DuckDBSession(connection)
        generate(session, SPEC)
        yield session


def value(session: DuckDBSession, sql: str) -> Any:
    return session.rows(sql)[0][0]


def events_where(session: DuckDBSession, condition: str) -> int:
    return value(session, f"select count(*) from raw_data.user_event where {condition}")


def test_impressions_become_clicks_become_purchases_become_money(session: DuckDBSession) -> None:
    impressions, clicks = events_where(session, "true"), events_where(session, "clicked = 1")
    purchases = events_where(session, "purchased = 1")
    assert 0.05 < clicks / impressions < 0.2
    assert 0.05 < purchases / clicks < 0.3
    assert events_where(session, "clicked not in (0, 1) or purchased not in (0, 1)") == 0
    assert events_where(session, "purchased = 1 and clicked = 0") == 0
    assert events_where(session, "(paidamount > 0) <> (purchased = 1)") == 0
    assert events_where(session, "columns(*) is null") == 0


def test_amounts_are_heavy_tailed(session: DuckDBSession) -> None:
    mean, median = session.rows(
        "select avg(paidamount), median(paidamount) from raw_data.user_event where purchased = 1"
    )[0]
    assert mean > 1.5 * median


def test_few_users_make_most_events_and_none_makes_all(session: DuckDBSession) -> None:
    busiest, tenth = session.rows(f"""
        with active as (select count(*) as events from raw_data.user_event group by user_id),
        ranked as (select events, row_number() over (order by events desc) as place from active)
        select max(events), sum(events) filter (place <= {SPEC.users // 10}) from ranked
    """)[0]
    events = SPEC.days * SPEC.events_per_day
    assert tenth > 0.25 * events
    assert busiest < 0.005 * events


def test_every_hour_is_busy_and_weekends_differ_from_weekdays(session: DuckDBSession) -> None:
    assert value(session, "select count(distinct hour(datestamp)) from raw_data.user_event") == 24
    weekday, weekend = (
        session.rows(f"""
            select mode(hour(datestamp)), sum(purchased) / sum(clicked)
            from raw_data.user_event where {condition}
        """)[0]
        for condition in (f"not {IS_WEEKEND}", IS_WEEKEND)
    )
    assert weekend[0] < weekday[0]
    assert weekend[1] > 1.2 * weekday[1]


def test_a_user_may_see_an_item_again_on_the_same_day(session: DuckDBSession) -> None:
    seen = "select distinct user_id, datestamp::date, item_id from raw_data.user_event"
    assert 0 < value(session, f"select count(*) from ({seen})") < events_where(session, "true")


def test_metadata_has_one_row_per_user_and_gaps(session: DuckDBSession) -> None:
    rows, users, no_age, no_gender = session.rows("""
        select count(*), count(distinct user_id), count(*) - count(age), count(*) - count(gender)
        from raw_data.user_metadata
    """)[0]
    assert rows == users
    assert 0.02 < no_age / rows < 0.1
    assert 0.02 < no_gender / rows < 0.1
    assert events_where(session, "user_id not in (select user_id from raw_data.user_metadata)") > 0


def test_some_known_users_are_in_no_variant_and_some_in_every_experiment(session: DuckDBSession) -> None:
    variants_per_user = session.rows("""
        select count(variant_id) as variants
        from raw_data.user_metadata left join raw_data.user_variant using (user_id)
        group by user_id order by variants
    """)
    assert variants_per_user[0][0] == 0
    assert variants_per_user[-1][0] == len(EXPERIMENTS)


def recorded_users(session: DuckDBSession, experiment: Experiment) -> list[int]:
    """How many users each variant has, in the experiment's order."""
    counts = dict(session.rows("select variant_id, count(*) from raw_data.user_variant group by variant_id"))
    return [counts[variant.variant_id] for variant in experiment.variants]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.experiment_id)
def test_only_the_broken_experiment_misses_its_expected_weights(session: DuckDBSession, experiment: Experiment) -> None:
    observed = recorded_users(session, experiment)
    expected = [sum(observed) * variant.expected_weight for variant in experiment.variants]
    chi_square = sum((o - e) ** 2 / e for o, e in zip(observed, expected, strict=True))
    p_value_001 = 13.9  # with two degrees of freedom, the most that occur here
    assert (chi_square > p_value_001) == (experiment is BROKEN_SAMPLE_RATIO)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.experiment_id)
def test_the_allocated_share_of_active_users_takes_part(session: DuckDBSession, experiment: Experiment) -> None:
    active = value(
        session,
        f"""
        select count(distinct user_id) from raw_data.user_event
        where datestamp < date '{experiment.end_date}' + 1
        """,
    )
    recorded_share = sum(v.expected_weight * v.recorded_share for v in experiment.variants)
    assert sum(recorded_users(session, experiment)) == pytest.approx(
        active * experiment.allocation * recorded_share, rel=0.03
    )


def test_experiments_assign_independently_of_each_other(session: DuckDBSession) -> None:
    correlation = value(
        session,
        """
        select corr((a.variant_id = 'checkout_one_page')::integer, (b.variant_id = 'autoplay_on')::integer)
        from raw_data.user_variant as a
        inner join raw_data.user_variant as b using (user_id)
        where a.variant_id like 'checkout%' and b.variant_id like 'autoplay%'
        """,
    )
    assert correlation == pytest.approx(0, abs=0.04)


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.experiment_id)
def test_users_are_assigned_at_the_start_or_at_their_first_event_after_it(
    session: DuckDBSession, experiment: Experiment
) -> None:
    start = dt.datetime.combine(experiment.start_date, dt.time())
    assigned = session.rows(
        """
        select assigned_at, min(datestamp) as first_event_at
        from raw_data.user_variant inner join raw_data.user_event using (user_id)
        where variant_id in (select unnest(?))
        group by user_id, assigned_at
        """,
        [[variant.variant_id for variant in experiment.variants]],
    )
    assert all(assigned_at == max(start, first_event_at) for assigned_at, first_event_at in assigned)
    assert max(assigned)[0].date() <= experiment.end_date
    assert len({assigned_at > start for assigned_at, _ in assigned}) == 2
