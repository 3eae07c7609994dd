"""Dagster's commands build what they are asked for, test what they built, and record both."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterEventType, DagsterRunStatus, TableColumnLineage

from ab_pipeline_tests.dbt_warehouse import DbtWarehouse
from ab_pipeline_tests.integration.duckdb_only import duckdb_only
from ab_pipeline_tests.integration.running_dagster.conftest import add_sample
from ab_pipeline_tests.integration.running_dagster.project import (
    ALL_DAYS,
    DAILY,
    DIMENSIONS,
    FIRST_DAY,
    LAST_DAY,
    LAYERS,
    REGISTRY,
    SECOND_DAY,
    DagsterProject,
    days_of,
    new_project,
)

pytestmark = pytest.mark.says_the_same_on_redshift

MODULE = ("-m", "ab_pipeline.definitions")
FACT_CHECKS = {
    "facts_equal_raw_events",
    "source_not_null_raw_data_user_event_datestamp",
    "source_not_null_raw_data_user_event_item_id",
    "source_not_null_raw_data_user_event_user_id",
    "source_within_calendar_raw_data_user_event_datestamp",
}
ANALYTICS_CHECKS = {
    "analytics_reconcile_with_facts",
    "no_day_is_rolled_back",
    "no_more_clicks_than_impressions",
    "unique_key_analytics_variant_user_daily_variant_id__user_id__datestamp",
}
DIMENSION_CHECKS = {
    "source_not_null_raw_data_user_metadata_user_id",
    "source_not_null_raw_data_user_variant_user_id",
    "source_not_null_raw_data_user_variant_variant_id",
    "source_unique_key_raw_data_user_metadata_user_id",
    "source_unique_key_raw_data_user_variant_user_id__variant_id",
    "unique_dim_user_metadata_user_id",
    "unique_key_dim_user_variant_user_id__variant_id",
}
REGISTRY_CHECKS = {
    "not_null_experiment_variants_experiment_id",
    "not_null_experiment_variants_variant_id",
    "not_null_experiments_experiment_id",
    "not_null_experiments_start_date",
    "relationships_experiment_variants_experiment_id__experiment_id__ref_experiments_",
    "unique_experiment_variants_variant_id",
    "unique_experiments_experiment_id",
}
ASKED_BY_THE_CLOCK = {"daily_freshness", "source_freshness", "restores"}
ALL_CHECKS = FACT_CHECKS | ANALYTICS_CHECKS | DIMENSION_CHECKS | REGISTRY_CHECKS | {"every_variant_is_declared"}


def add_one_cent(project: DagsterProject, *days: str) -> None:
    """A late event on each of the days, of every user who is in a variant."""
    for day in days:
        project.execute(
            f"insert into raw_data.user_event select distinct user_id, timestamp '{day}', 9, 0, 0, 1"
            " from raw_data.user_variant"
        )


def days_that_are_stale(project: DagsterProject) -> set[str]:
    rows = project.execute(
        "with raw as (select datestamp::date as day, count(*) as events from raw_data.user_event group by 1),"
        " built as (select datestamp as day, count(*) as events from analytics.fact_user_event group by 1)"
        " select day from (select * from raw except select * from built) as stale"
    )
    return {str(day) for (day,) in rows}


@pytest.fixture
def first_build(warehouse: DbtWarehouse, homes: Path) -> DagsterProject:
    """Everything built over all days by one command: once for each target."""
    home = homes / f"first_{warehouse.target}"

    def build(warehouse: DbtWarehouse) -> None:
        add_sample(warehouse)
        new_project(warehouse, home).materialize(LAYERS, ALL_DAYS)

    warehouse.restore("first_build", build)
    return DagsterProject(warehouse, home)


def test_a_range_of_days_builds_and_tests_everything_in_one_run(first_build: DagsterProject) -> None:
    every_day = (FIRST_DAY, SECOND_DAY, LAST_DAY)
    assert first_build.statuses() == [DagsterRunStatus.SUCCESS]
    assert first_build.materialized() == days_of(DIMENSIONS | REGISTRY, None) | days_of(DAILY, *every_day)
    assert first_build.checked() == dict.fromkeys(ALL_CHECKS, True)
    assert first_build.is_as_mandated()


def test_each_materialization_carries_its_rows_and_the_columns_it_was_made_from(first_build: DagsterProject) -> None:
    found: set[tuple[str, str, str, str]] = set()
    for event in first_build.events(DagsterEventType.ASSET_MATERIALIZATION):
        metadata = event.step_materialization_data.materialization.metadata
        assert event.asset_key
        name = event.asset_key.path[-1]
        day = event.step_materialization_data.materialization.partition
        if day:
            [(rows,)] = first_build.execute(f"select count(*) from analytics.{name} where datestamp = '{day}'")
            assert metadata["dagster/partition_row_count"].value == rows, (name, day)
            assert "dagster/row_count" not in metadata
            if name == "analytics_variant_user_daily":
                changed = [metadata[f"rows {what}"].value for what in ("added", "removed", "changed")]
                assert changed == [rows, 0, 0]
        elif name != "dim_user":
            [(rows,)] = first_build.execute(f"select count(*) from analytics.{name}")
            assert metadata["dagster/row_count"].value == rows, name
        lineage = metadata["dagster/column_lineage"].value if "dagster/column_lineage" in metadata else None
        if isinstance(lineage, TableColumnLineage):
            found |= {
                (name, column, dep.asset_key.to_user_string(), dep.column_name)
                for column, deps in lineage.deps_by_column.items()
                for dep in deps
            }
    assert found >= {
        ("analytics_variant_user_daily", "revenue", "fact_user_event", "paidamount"),
        ("dim_user", "age", "dim_user_metadata", "age"),
        ("fact_user_event", "occurred_at", "raw_data/user_event", "datestamp"),
    }


def test_one_day_replaces_that_day_only(built: DagsterProject) -> None:
    add_one_cent(built, FIRST_DAY, SECOND_DAY)
    built.materialize("fact_user_event,analytics_variant_user_daily", SECOND_DAY)
    assert built.materialized() == days_of(DAILY, SECOND_DAY)
    assert days_that_are_stale(built) == {FIRST_DAY}
    assert built.checked().keys() >= FACT_CHECKS | ANALYTICS_CHECKS


@duckdb_only
def test_a_fresh_warehouse_may_be_built_layer_by_layer(fresh: DagsterProject) -> None:
    """No run tests a table that is not there yet; each runs every test that it can."""
    fresh.materialize("fact_user_event", ALL_DAYS)
    assert fresh.checked().keys() == FACT_CHECKS
    fresh.materialize(",".join(sorted(DIMENSIONS)))
    assert fresh.checked().keys() == FACT_CHECKS | DIMENSION_CHECKS
    fresh.materialize("analytics_variant_user_daily", ALL_DAYS)
    assert fresh.checked() == dict.fromkeys(FACT_CHECKS | DIMENSION_CHECKS | ANALYTICS_CHECKS, True)
    assert fresh.statuses() == [DagsterRunStatus.SUCCESS] * 3
    assert fresh.is_as_mandated()


def test_a_job_runs_for_the_days_of_its_tags(built: DagsterProject) -> None:
    add_one_cent(built, FIRST_DAY, SECOND_DAY, LAST_DAY)
    days = f'"dagster/asset_partition_range_start": "{SECOND_DAY}", "dagster/asset_partition_range_end": "{LAST_DAY}"'
    built.run("dagster", "job", "execute", *MODULE, "-j", "refresh", "--tags", f"{{{days}}}")
    from ab_pipeline.definitions import defs

    graph = defs.resolve_asset_graph()
    assert built.materialized().keys() == {key.to_user_string() for key in graph.executable_asset_keys}
    assert built.materialized()["analytics_variant_user_daily"] == {SECOND_DAY, LAST_DAY}
    assert built.checked().keys() == {key.name for key in graph.asset_check_keys} - ASKED_BY_THE_CLOCK
    assert days_that_are_stale(built) == {FIRST_DAY}


@duckdb_only
def test_dg_launches_a_day(built: DagsterProject) -> None:
    add_one_cent(built, FIRST_DAY)
    built.run("dg", "launch", "--assets", "fact_user_event,analytics_variant_user_daily", "--partition", FIRST_DAY)
    assert built.materialized() == days_of(DAILY, FIRST_DAY)
    assert built.is_as_mandated()


@duckdb_only
def test_the_definitions_are_valid_for_dagster_and_for_dg(built: DagsterProject) -> None:
    checks = [built.start("dagster", "definitions", "validate"), built.start("dg", "check", "defs")]
    outputs = [check.communicate(timeout=120)[0] for check in checks]
    assert [check.returncode for check in checks] == [0, 0], outputs
