"""A scratch warehouse with sample data, the pipeline's commands on it, and the bare SQL they are compared with."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from benchmarks.measure import Run, run, seconds_of

# the registry and what is built from it have a benchmark of their own
DAILY_TABLE = (
    "dim_user_metadata",
    "dim_user_variant",
    "dim_user",
    "snapshot_user_metadata",
    "snapshot_user_variant",
    "fact_user_event",
    "analytics_variant_user_daily",
)
# what comes of it for experiments, with the verdicts and pages that only Dagster makes
EXPERIMENTS = (
    "experiments",
    "experiment_variants",
    "metrics",
    "dim_experiment",
    "dim_experiment_variant",
    "experiment_changes",
    "experiment_exposures",
    "experiment_units",
    "experiment_assignments",
    "experiment_statistics",
    "experiment_distribution",
    "experiment_results",
    "experiment_report",
)
_BIN = PROJECT_ROOT / ".venv" / "bin"

MANDATED = """
    select variant_id, ue.user_id, cast(datestamp as date) as datestamp, age, gender,
           count(distinct item_id) as num_of_items,
           count(distinct case when clicked = 1 then item_id end) as num_of_clicks,
           sum(purchased) as num_of_purchases, sum(paidamount) as revenue
    from raw_data.user_event ue
    join raw_data.user_variant uv on ue.user_id = uv.user_id
    join raw_data.user_metadata um on uv.user_id = um.user_id
    group by 1, 2, 3, 4, 5
"""

# The fastest SQL known to us that makes the same tables, with nothing around it: no state, no transaction, no test.
BEST_DIMENSIONS = {
    "variants": """
        select user_id, variant_id, min(assigned_at) as assigned_at, count(*) as num_of_assignments
        from raw_data.user_variant group by 1, 2
    """,
    "users": "select user_id, age, gender, updated_at from raw_data.user_metadata",
    "variant_history": """
        select *, md5(concat_ws('|', user_id, variant_id, now())) as dbt_scd_id, now() as dbt_updated_at,
               now() as dbt_valid_from, null::timestamp as dbt_valid_to
        from bare.variants
    """,
    "user_history": """
        select *, md5(concat_ws('|', user_id, now())) as dbt_scd_id, now() as dbt_updated_at,
               now() as dbt_valid_from, null::timestamp as dbt_valid_to
        from bare.users
    """,
}
BEST_FACTS = """
    select user_id, cast(datestamp as date) as datestamp, datestamp as occurred_at,
           item_id, clicked, purchased, paidamount
    from raw_data.user_event
"""
BEST_DAILY = """
    with items as (
        select user_id, datestamp, item_id, max(case when clicked = 1 then 1 end) as is_clicked,
               sum(purchased) as purchased, sum(paidamount) as paidamount
        from bare.facts group by 1, 2, 3
    ),
    user_days as (
        select user_id, datestamp, count(item_id) as num_of_items,
               count(case when is_clicked = 1 then item_id end) as num_of_clicks,
               sum(purchased) as num_of_purchases, sum(paidamount) as revenue
        from items group by 1, 2
    )
    select variant_id, user_id, datestamp, age, gender, num_of_items, num_of_clicks, num_of_purchases, revenue
    from user_days join bare.variants using (user_id) join bare.users using (user_id)
"""


@dataclass(frozen=True)
class ScratchWarehouse:
    """One DuckDB file and one DAGSTER_HOME, made for a benchmark."""

    folder: Path
    spec: SampleSpec
    memory_limit: str = "80%"
    lookback_days: int = 3

    @property
    def path(self) -> Path:
        """The DuckDB file."""
        return self.folder / "warehouse.duckdb"

    @property
    def environment(self) -> dict[str, str]:
        """What the pipeline's commands need to work here."""
        return {
            "AB_PIPELINE_TARGET": "local",
            "AB_PIPELINE_DUCKDB_PATH": str(self.path),
            "AB_PIPELINE_DUCKDB_MEMORY_LIMIT": self.memory_limit,
            "AB_PIPELINE_START_DATE": str(self.spec.first_day),
            "AB_PIPELINE_LOOKBACK_DAYS": str(self.lookback_days),
            "DAGSTER_HOME": str(self.folder),
        }

    def prepare(self) -> None:
        """Write the sample."""
        self.folder.mkdir(parents=True)
        shutil.copy(PROJECT_ROOT / "deploy" / "dagster.yaml", self.folder)
        with DuckDBWarehouse(self.path).open(read_only=False) as session:
            generate(session, self.spec)

    def forget_what_is_built(self) -> None:
        """Leave the raw tables only."""
        with duckdb.connect(self.path) as connection:
            for schema in ("analytics", "bare"):
                connection.execute(f"drop schema if exists {schema} cascade")

    def materialize(self, first: dt.date, last: dt.date) -> Run:
        """The daily table and all it is made from, of a range of days, by a cold Dagster command."""
        days = ["--partition", str(last)] if first == last else ["--partition-range", f"{first}...{last}"]
        command = [str(_BIN / "dagster"), "asset", "materialize", "-m", "ab_pipeline.definitions"]
        selection = " or ".join(f'key:"{name}"' for name in DAILY_TABLE)
        return run([*command, "--select", selection, *days], self.environment, PROJECT_ROOT)

    def dbt_build(self, day: dt.date, *, experiments: bool = False) -> Run:
        """The same for one day, by a cold dbt command; with the models of experiments or without."""
        command = [str(_BIN / "dbt"), "build", "--exclude-resource-type", "unit_test", "--target-path", "target/local"]
        if not experiments:
            command += ["--exclude", "group:experiments", "resource_type:seed"]
        window = ["--event-time-start", str(day), "--event-time-end", str(day + dt.timedelta(days=1))]
        return run([*command, *window], self.environment, PROJECT_ROOT / "dbt_project")

    def bare_mandated(self) -> float:
        """Seconds of the mandated SELECT alone, into a table of the same file."""
        with duckdb.connect(self.path) as connection:
            connection.execute("create schema if not exists bare")
            return seconds_of(lambda: connection.execute(f"create or replace table bare.daily as {MANDATED}"))

    def bare_best(self) -> float:
        """Seconds of the best SQL for the dimensions, their history, the facts and the daily table."""
        tables = {**BEST_DIMENSIONS, "facts": BEST_FACTS, "daily": BEST_DAILY}
        with duckdb.connect(self.path) as connection:
            connection.execute(f"set memory_limit = '{self.memory_limit}'; set preserve_insertion_order = false")
            connection.execute("create schema if not exists bare")
            return seconds_of(
                lambda: [connection.execute(f"create or replace table bare.{t} as {sql}") for t, sql in tables.items()]
            )
