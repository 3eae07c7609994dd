"""The statistics of two larger warehouses, as digests: what was once compared row by row stays what it is."""

from __future__ import annotations

import csv
import hashlib
from datetime import date
from pathlib import Path

import pytest

from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.warehouse.base import Session
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from ab_pipeline_tests.dbt_warehouse import DuckDBFile
from ab_pipeline_tests.experiment_reference import built_statistics

GOLDENS = Path(__file__).with_name("experiment_goldens.csv")
FIRST_DAY, EXPERIMENTS, USERS, DAYS = date(2025, 1, 1), 20, 60_000, 30
USER_DAYS = f"""
select 'e' || (u % {EXPERIMENTS}) || case when hash(u) % 2 = 0 then '_c' else '_t' end as variant_id,
    cast(u as integer) as user_id, date '{FIRST_DAY}' + cast(d as integer) as datestamp,
    nullif('a' || hash(u, 1) % 6, 'a5') as age, case when hash(u, 2) % 2 = 0 then 'f' else 'm' end as gender,
    cast(hash(u, d) % 20 as bigint) as num_of_items, cast(hash(u, d, 1) % 4 as bigint) as num_of_clicks,
    (1 + cast(u % 7 = 0 as bigint)) * cast(hash(u, d, 2) % 10 = 0 as bigint) as num_of_purchases,
    (1 + cast(u % 7 = 0 as bigint))
    * cast(case when hash(u, d, 2) % 10 = 0 then hash(u, d, 3) % 20000 end as bigint) as revenue
from range({{days}}) as days(d) cross join range({USERS}) as users(u) where hash(u, d, 4) % 3 > 0
"""
MANY = f"""
create schema raw_data; create schema analytics;
create table raw_data.user_event (
    user_id integer, datestamp timestamp, item_id integer, clicked integer, purchased integer, paidamount integer);
create table raw_data.user_variant (user_id integer, variant_id varchar, assigned_at timestamp);
create table raw_data.user_metadata (user_id integer, age varchar, gender varchar, updated_at timestamp);
create table analytics.analytics_variant_user_daily as {USER_DAYS.format(days=DAYS)};
create table analytics.fact_user_event as
select user_id, datestamp, datestamp::timestamp as occurred_at, 1 as item_id, 1 as clicked, 1 as purchased,
    1 as paidamount from analytics.analytics_variant_user_daily limit 0;
create table analytics.built_day as
select distinct datestamp, 1::bigint as num_of_events, 's' as signature, 'b' as build_id, now()::timestamp as built_at
from analytics.analytics_variant_user_daily;
create table analytics.rolled_back_day (datestamp date, build_id varchar, rolled_back_at timestamp);
create table analytics.dim_user as
select user_id, variant_id, age, gender, true as has_metadata,
    1 + cast(user_id % 7 = 0 as bigint) as num_of_assignments,
    case when user_id % 3 > 0 then timestamp '{FIRST_DAY}' + to_days(cast(user_id % {DAYS + 5} as integer)) end
        as assigned_at
from (select distinct user_id, variant_id, age, gender from analytics.analytics_variant_user_daily);
create table analytics.dim_user_variant as
select user_id, variant_id, assigned_at, num_of_assignments from analytics.dim_user;
create table analytics.experiments as
select 'e' || e as experiment_id, 'n' as name, 'h' as hypothesis, 'o' as owner,
    date '{FIRST_DAY}' + cast(e % 10 as integer) as start_date,
    date '{FIRST_DAY}' + cast(15 + e as integer) as end_date,
    cast(e % 3 * 7 as integer) as pre_period_days, 1.0::double as allocation, false as is_aa
from range({EXPERIMENTS}) as numbers(e);
create table analytics.experiment_variants as
select experiment_id, experiment_id || arm as variant_id, arm = '_c' as is_control, 0.5::double as expected_weight
from analytics.experiments cross join (values ('_c'), ('_t')) as arms(arm);
create table analytics.metrics as
select metric_id, kind, numerator, denominator, cap::double as cap, 'increase' as direction, 'primary' as role,
    0.05::double as minimum_effect
from (values ('purchases', 'count', 'num_of_purchases', null, null), ('buyers', 'proportion', 'revenue', null, null),
    ('revenue', 'mean', 'revenue', null, 0.99), ('clicks', 'ratio', 'num_of_clicks', 'num_of_items', null),
    ('items', 'mean', 'num_of_items', null, null)) as metrics(metric_id, kind, numerator, denominator, cap);
"""


def digests(session: Session, days: list[date]) -> dict[str, str]:
    """By day, of every experiment, metric, variant and segment."""
    found = built_statistics(session)
    by_day: dict[date, list[str]] = {day: [] for day in days}
    for key, sums in found.items():
        if key[4] in by_day:
            by_day[key[4]].append(repr((*key[:4], key[5], *map(int, sums))))
    return {
        str(day): f"{len(rows)} {hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()[:16]}"
        for day, rows in by_day.items()
    }


def goldens(case: str) -> dict[str, str]:
    with GOLDENS.open(newline="") as file:
        return {row["as_of"]: row["digest"] for row in csv.DictReader(file) if row["case"] == case}


def built(duckdb_file: DuckDBFile, case: str) -> dict[str, str]:
    days = [date.fromisoformat(day) for day in goldens(case)]
    with duckdb_file.session() as session:
        return digests(session, days)


@pytest.mark.slow
def test_the_statistics_of_many_experiments_are_those_that_were_compared(duckdb_file: DuckDBFile) -> None:
    duckdb_file.clear()
    duckdb_file.execute(MANY)
    duckdb_file.refresh(select="group:experiments", experiments=True)
    assert built(duckdb_file, "many") == goldens("many")


@pytest.mark.slow
def test_the_statistics_of_the_sample_are_those_that_were_compared(duckdb_file: DuckDBFile) -> None:
    with DuckDBWarehouse(duckdb_file.path).open(read_only=False) as session:
        generate(session, SampleSpec(users=12_000, events_per_day=12_000))
    duckdb_file.dbt("seed", "--select", "group:registry")
    duckdb_file.refresh(experiments=True)
    assert built(duckdb_file, "sample") == goldens("sample")
    assert_third_powers(duckdb_file)


def assert_third_powers(duckdb_file: DuckDBFile) -> None:
    """Of the totals of units, raw, cut and of a ratio."""
    units = """(select variant_id, num_of_purchases as p, pre_num_of_purchases as pre, revenue as r, num_of_clicks as c,
            num_of_items as i from analytics.experiment_units where exclusion is null)"""
    expected = {
        ("purchases_per_user", "yyy, yyx, yxx, xxx, ddd"): "sum(p**3), sum(p**2 * pre), sum(p * pre**2), sum(pre**3),"
        " count(*)",
        ("click_through_rate", "yyy, yyd, ydd, ddd"): "sum(c**3), sum(c**2 * i), sum(c * i**2), sum(i**3)",
    }
    for (metric, sums), powers in expected.items():
        found = duckdb_file.execute(
            f"select variant_id, {sums} from analytics.experiment_statistics"
            f" where metric_id = '{metric}' and segment = 'all' and not is_capped order by 1"
        )
        assert len(found) > 5
        for row, wanted in zip(
            found,
            duckdb_file.execute(f"select variant_id, {powers} from {units} group by 1 order by 1"),
            strict=True,
        ):
            assert row[0] == wanted[0]
            assert row[1:] == pytest.approx([float(one) for one in wanted[1:]], rel=1e-9)
