"""Many experiments at once: what their sums and read-outs cost, beside one bare aggregate over the same user-days."""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import astuple, dataclass
from pathlib import Path

import duckdb

from ab_pipeline.experiments.declaration import Direction, Experiment, Metric, MetricKind, MetricRole, Variant
from ab_pipeline.experiments.registry import Registry
from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA
from ab_pipeline.readouts.evaluate import evaluate_due
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from benchmarks.measure import median_seconds, run, seconds_of

EXPERIMENTS, USERS, DAYS = 100, 1_000_000, 30
FIRST_DAY = dt.date(2025, 1, 1)
_MEASURES = ("num_of_items", "num_of_clicks", "num_of_purchases", "revenue")
_ROWS = """
    select
        'e' || (u % {experiments}) || case when hash(u) % 2 = 0 then '_c' else '_t' end as variant_id,
        cast(u as integer) as user_id, date '{first}' + cast(d as integer) as datestamp,
        cast('a' || hash(u, 1) % 6 as varchar) as age, case when hash(u, 2) % 2 = 0 then 'f' else 'm' end as gender,
        cast(hash(u, d) % 20 as bigint) as num_of_items, cast(hash(u, d, 1) % 4 as bigint) as num_of_clicks,
        cast(hash(u, d, 2) % 10 = 0 as bigint) as num_of_purchases,
        cast(case when hash(u, d, 2) % 10 = 0 then hash(u, d, 3) % 20000 else 0 end as bigint) as revenue
    from range({first_number}, {last_number}) as days(d) cross join range({users}) as users(u)
"""
_TO = (None, Direction.INCREASE)
METRICS = (
    Metric("ctr", MetricKind.RATIO, "num_of_clicks", "num_of_items", *_TO, MetricRole.PRIMARY, 0.02),
    Metric("revenue_per_item", MetricKind.RATIO, "revenue", "num_of_items", *_TO, MetricRole.GUARDRAIL, 0.02),
    *(
        Metric(f"{kind}_{numerator}", kind, numerator, None, *_TO, MetricRole.SECONDARY, 0.02)
        for numerator in _MEASURES
        for kind in (MetricKind.MEAN, MetricKind.PROPORTION)
    ),
)


@dataclass(frozen=True)
class Costs:
    """Seconds."""

    bare: float
    """One aggregate query: users' totals, then the moments of ten metrics by variant, of the last day."""
    same_sums: float
    """One that has what a look at the last day needs: every sum, also with the pre-period's, by segment."""
    first_looks: float
    """A look at every experiment as of every day: nothing is stored yet."""
    daily_update: float
    """Those of one more day, with all the history there."""
    python: float
    """The read-outs of one day, stored, with every segment, and what their pages plot."""
    daily_update_with_cap: float
    after_another_age: float
    """The same day again, after one user got another age and one more was assigned."""
    later_daily_update: float
    """Also with a cap, and twice the history."""


@dataclass(frozen=True)
class ManyExperiments:
    """One DuckDB file with what the models read."""

    path: Path

    @property
    def registry(self) -> Registry:
        """Every experiment runs for longer than there will be days."""
        last = FIRST_DAY + dt.timedelta(days=3 * DAYS)
        return Registry(
            tuple(
                Experiment(f"e{n}", f"e{n}", "h", "o", FIRST_DAY, last, 0, 1.0, _arms(n)) for n in range(EXPERIMENTS)
            ),
            METRICS,
        )

    def prepare(self) -> None:
        """The dimensions, the registry, and the daily table of the first days."""
        with duckdb.connect(self.path) as connection:
            connection.execute(f"set preserve_insertion_order = false; create schema {SCHEMA}; create schema analytics")
            for table in RAW_TABLES.values():
                connection.execute(table.create_statement())
            connection.execute(
                f"""
                create table analytics.analytics_variant_user_daily as from ({self._rows(0, 0)});
                create table analytics.fact_user_event as
                select user_id, datestamp, datestamp::timestamp as occurred_at, 1 as item_id, 1 as clicked,
                    1 as purchased, 1 as paidamount from analytics.analytics_variant_user_daily;
                create table analytics.built_day (
                    datestamp date, num_of_events bigint, signature varchar, build_id varchar, built_at timestamp);
                create table analytics.rolled_back_day (datestamp date, build_id varchar, rolled_back_at timestamp);
                create table analytics.dim_user as
                select user_id, variant_id, null::timestamp as assigned_at, 1::bigint as num_of_assignments,
                    age, gender, true as has_metadata from ({self._rows(0, 1)});
                create table analytics.dim_user_variant as
                select user_id, variant_id, assigned_at, num_of_assignments from analytics.dim_user;
                """
            )
            registry = self.registry
            connection.execute(
                "create table analytics.experiments (experiment_id varchar, name varchar, hypothesis varchar,"
                " owner varchar, start_date date, end_date date, pre_period_days integer, allocation double,"
                " is_aa bool)"
            )
            connection.executemany(
                "insert into analytics.experiments values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    [e.experiment_id, e.name, e.hypothesis, e.owner, e.start_date, e.end_date, 0, 1.0, False]
                    for e in registry.experiments
                ],
            )
            connection.execute(
                "create table analytics.experiment_variants (experiment_id varchar, variant_id varchar,"
                " is_control bool, expected_weight double)"
            )
            connection.executemany(
                "insert into analytics.experiment_variants values (?, ?, ?, ?)",
                [
                    [e.experiment_id, v.variant_id, v.is_control, v.expected_weight]
                    for e in registry.experiments
                    for v in e.variants
                ],
            )
            connection.execute(
                "create table analytics.metrics (metric_id varchar, kind varchar, numerator varchar,"
                " denominator varchar, cap double, direction varchar, role varchar, minimum_effect double)"
            )
            connection.executemany(
                "insert into analytics.metrics values (?, ?, ?, ?, ?, ?, ?, ?)",
                [list(astuple(metric)) for metric in registry.metrics],
            )
        self.add_days(0, DAYS)

    def add_days(self, first: int, last: int) -> None:
        """As builds of the daily table would."""
        with duckdb.connect(self.path) as connection:
            connection.execute("set preserve_insertion_order = false")
            connection.execute(
                f"""
                insert into analytics.analytics_variant_user_daily {self._rows(first, last)};
                insert into analytics.fact_user_event
                select user_id, datestamp, datestamp, 1, 1, num_of_purchases, revenue from ({self._rows(first, last)});
                insert into analytics.built_day
                select date '{FIRST_DAY}' + d::integer, 1, 's', 'build ' || d, now()::timestamp
                from range({first}, {last}) as days(d);
                """
            )

    def change_users(self) -> None:
        """One user gets another age, and one more is assigned."""
        with duckdb.connect(self.path) as connection:
            connection.execute(
                """
                update analytics.dim_user set age = 'a0' where user_id = 1;
                insert into analytics.dim_user
                select -1, variant_id, assigned_at, num_of_assignments, age, gender, has_metadata
                from analytics.dim_user where user_id = 2;
                """
            )

    def cap(self, metric_id: str) -> None:
        """Cut the largest one in a hundred of its totals."""
        with duckdb.connect(self.path) as connection:
            connection.execute("update analytics.metrics set cap = 0.99 where metric_id = ?", [metric_id])

    def build(self) -> float:
        """Seconds that dbt's models of experiments take, without its start."""
        target = self.path.parent / "target"
        run(
            [
                *(
                    str(PROJECT_ROOT / ".venv" / "bin" / "dbt"),
                    "run",
                    "--select",
                    "group:experiments",
                    "--threads",
                    "1",
                ),
                *("--target-path", str(target), "--log-path", str(target)),
            ],
            {"AB_PIPELINE_TARGET": "local", "AB_PIPELINE_DUCKDB_PATH": str(self.path)},
            PROJECT_ROOT / "dbt_project",
        )
        results = json.loads((target / "run_results.json").read_bytes())["results"]
        return sum(result["execution_time"] for result in results)

    def bare(self) -> float:
        """Seconds of one aggregate query over the user-days."""
        totals = [f"sum({m}) as {m}" for m in _MEASURES]
        sums = [f"sum({m}), sum(case when {m} > 0 then 1 else 0 end)" for m in _MEASURES]
        return self._aggregate(totals, [*sums, *_products("", "")], [])

    def same_sums(self) -> float:
        """Seconds of one that makes what `experiment_statistics` says of one day."""
        totals = [f"{_total(m, '>=')} as {m}, {_total(m, '<')} as pre_{m}" for m in _MEASURES]
        sums = [
            f"sum({m}), sum(pre_{m}), count_if({m} > 0), count_if(pre_{m} > 0), count_if({m} > 0 and pre_{m} > 0)"
            for m in _MEASURES
        ]
        crossed = [f"sum({a}::double * pre_{b})" for a in _MEASURES for b in _MEASURES]
        returning = f"{_total('1', '<')} > 0 as is_returning"
        return self._aggregate(
            [*totals, returning],
            [*sums, *_products("", ""), *_products("pre_", "pre_"), *crossed],
            ["age", "gender", "is_returning"],
        )

    def _aggregate(self, totals: list[str], sums: list[str], segments: list[str]) -> float:
        query = f"""
            select {", ".join(["variant_id", *segments])}, count(*), {", ".join(sums)}
            from analytics.dim_user left join (
                select variant_id, user_id, {", ".join(totals)}
                from analytics.analytics_variant_user_daily group by variant_id, user_id
            ) using (variant_id, user_id)
            group by all
        """
        with duckdb.connect(self.path) as connection:
            return seconds_of(lambda: connection.execute(query).fetchall())

    def read_out(self) -> float:
        """Seconds of Python and its queries for the newest looks."""
        with DuckDBWarehouse(self.path).open(read_only=False) as session:
            started = time.perf_counter()
            evaluate_due(session, self.registry, dt.datetime.now(dt.UTC))
            return time.perf_counter() - started

    def _rows(self, first: int, last: int) -> str:
        return _ROWS.format(experiments=EXPERIMENTS, first=FIRST_DAY, first_number=first, last_number=last, users=USERS)


def _total(what: str, side: str) -> str:
    return f"sum(case when datestamp {side} date '{FIRST_DAY}' then {what} else 0 end)"


def _products(one: str, other: str) -> list[str]:
    return [f"sum({one}{a}::double * {other}{b})" for i, a in enumerate(_MEASURES) for b in _MEASURES[i:]]


def _arms(number: int) -> tuple[Variant, ...]:
    return (Variant(f"e{number}_c", True, 1.0), Variant(f"e{number}_t", False, 1.0))


def costs(folder: Path) -> Costs:
    """Prepare, and measure each once: the first build and a daily update cannot be repeated on the same file."""
    warehouse = ManyExperiments(folder / "warehouse.duckdb")
    warehouse.prepare()
    bare = median_seconds(3, warehouse.bare)
    same_sums = median_seconds(3, warehouse.same_sums)
    first_looks = warehouse.build() + warehouse.read_out()
    warehouse.add_days(DAYS, DAYS + 1)
    daily_update = warehouse.build()
    python = warehouse.read_out()
    warehouse.change_users()
    after_another_age = warehouse.build()
    warehouse.cap("mean_revenue")
    warehouse.build()
    warehouse.add_days(DAYS + 1, DAYS + 2)
    with_cap = warehouse.build()
    warehouse.add_days(DAYS + 2, 2 * DAYS)
    warehouse.build()
    warehouse.add_days(2 * DAYS, 2 * DAYS + 1)
    return Costs(
        *(bare, same_sums, first_looks, daily_update, python, with_cap, after_another_age),
        later_daily_update=warehouse.build(),
    )
