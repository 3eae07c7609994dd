"""The code location: what Dagster shows of the project before anything has run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dagster import AssetKey, AssetSpec, BackfillPolicy, Definitions, TableSchema
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.partitions.context import partition_loading_context

from ab_pipeline.experiments.moments import Moments
from ab_pipeline.experiments.registry import MEASURES
from ab_pipeline.experiments.words import GATES
from ab_pipeline.partitions import daily_partitions
from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.raw_data.contract import RAW_TABLES
from ab_pipeline.settings import ENV_PREFIX, Settings, get_settings

pytestmark = pytest.mark.slow

EVENT, VARIANT, METADATA = (f"raw_data/{name}" for name in ("user_event", "user_variant", "user_metadata"))
DEPENDENCIES = {
    EVENT: set(),
    VARIANT: set(),
    METADATA: set(),
    "experiments": set(),
    "experiment_variants": set(),
    "metrics": set(),
    "dim_user_variant": {VARIANT},
    "dim_user_metadata": {METADATA},
    "dim_user": {"dim_user_variant", "dim_user_metadata"},
    "snapshot_user_variant": {"dim_user_variant"},
    "snapshot_user_metadata": {"dim_user_metadata"},
    "fact_user_event": {EVENT},
    "analytics_variant_user_daily": {"fact_user_event", "dim_user"},
    "dim_experiment": {"experiments", "dim_experiment_variant", "dim_user_variant", "analytics_variant_user_daily"},
    "dim_experiment_variant": {"experiment_variants", "dim_user_variant"},
    "experiment_changes": {"dim_experiment"},
    "experiment_exposures": {"dim_experiment", "dim_experiment_variant", "dim_user"},
    "experiment_units": {
        "experiment_changes",
        "experiment_exposures",
        "dim_experiment",
        "analytics_variant_user_daily",
    },
    "experiment_assignments": {"experiment_units"},
    "experiment_distribution": {"experiment_units", "metrics"},
    "experiment_statistics": {"experiment_units", "metrics"},
    "experiment_results": {"experiment_statistics", "experiment_assignments", "experiment_distribution", "metrics"},
    "experiment_report": {"experiment_results"},
}
PYTHON_ASSETS = {"experiment_results": {"python", "duckdb"}, "experiment_report": {"python", "html"}}
GROUPS = {
    "raw_data": {EVENT, VARIANT, METADATA},
    "registry": {"experiments", "experiment_variants", "metrics"},
    "dimensions": {
        "dim_user_variant",
        "dim_user_metadata",
        "dim_user",
        "snapshot_user_variant",
        "snapshot_user_metadata",
    },
    "facts": {"fact_user_event"},
    "analytics": {"analytics_variant_user_daily"},
    "experiments": {name for name in DEPENDENCIES if name.startswith(("experiment_", "dim_experiment"))}
    - {"experiment_variants"},
}
DAILY = {
    "fact_user_event",
    "analytics_variant_user_daily",
}
LOAD = "import sys; import ab_pipeline.definitions; print(*{'dbt.cli.main', 'dbt.parser'} & sys.modules.keys())"

UPKEEP = (
    "from ab_pipeline.definitions import defs; schedule = defs.resolve_schedule_def('nightly_table_upkeep');"
    "print(schedule.job_name, schedule.default_status.value)"
)


@pytest.fixture(scope="module")
def defs() -> Definitions:
    from ab_pipeline.definitions import defs

    return defs


@pytest.fixture(scope="module")
def graph(defs: Definitions) -> AssetGraph:
    return defs.resolve_asset_graph()


@pytest.fixture(scope="module")
def specs(defs: Definitions) -> dict[str, AssetSpec]:
    """Of tables: what maintenance shows has neither columns nor parents."""
    return {
        spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs() if spec.group_name != "maintenance"
    }


@pytest.fixture(scope="module")
def manifest(defs: Definitions) -> dict[str, Any]:
    from ab_pipeline.dbt.project import load_project

    return json.loads(load_project(get_settings()).manifest_path.read_bytes())


def test_a_fresh_process_loads_without_a_warning_and_without_starting_dbt(defs: Definitions) -> None:
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOAD], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert process.stderr == ""
    assert process.stdout.split() == []


def test_a_wrong_setting_fails_the_load_with_its_sentence() -> None:
    process = subprocess.run(
        [sys.executable, "-c", "import ab_pipeline.definitions"],
        env=os.environ | {f"{ENV_PREFIX}TARGET": "redshift", f"{ENV_PREFIX}REDSHIFT_HOST": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    *_, last_line = process.stderr.splitlines()
    assert process.returncode == 1
    assert "SettingsError: target redshift needs AB_PIPELINE_REDSHIFT_HOST" in last_line


def test_on_redshift_tables_are_kept_up_and_nothing_is_asked_while_loading() -> None:
    # the database of the stand-in, whose project other tests have read
    nowhere = {
        f"{ENV_PREFIX}REDSHIFT_{name}": value
        for name, value in {"HOST": "nowhere.invalid", "DATABASE": "dev", "USER": "etl", "PASSWORD": "x"}.items()
    }
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", UPKEEP],
        env=os.environ | nowhere | {f"{ENV_PREFIX}TARGET": "redshift"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stderr == ""
    assert process.stdout.split() == ["table_upkeep", "RUNNING"]


# Assets


def test_the_assets_and_what_each_is_made_from(graph: AssetGraph) -> None:
    found = {
        node.key.to_user_string(): {parent.to_user_string() for parent in node.parent_keys}
        for node in graph.asset_nodes
    }
    assert found == DEPENDENCIES | {"dagster_backup": set()}


def test_each_asset_is_in_the_group_of_its_layer(specs: dict[str, AssetSpec]) -> None:
    assert {name: spec.group_name for name, spec in specs.items()} == {
        name: group for group, names in GROUPS.items() for name in names
    }


def test_each_asset_says_what_it_is_who_owns_it_and_what_makes_it(specs: dict[str, AssetSpec]) -> None:
    for name, spec in specs.items():
        assert spec.description, name
        assert spec.owners == ["team:experimentation"], name
        assert spec.kinds == PYTHON_ASSETS.get(name, {"dbt", "duckdb"}), name
        assert spec.code_version or spec.key.path[0] == "raw_data" or name in PYTHON_ASSETS, name


def test_each_asset_shows_its_columns_with_type_and_description(
    specs: dict[str, AssetSpec], manifest: dict[str, Any]
) -> None:
    contracts = {
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["config"]["contract"]["enforced"]
    }
    assert contracts >= {name for name in DEPENDENCIES if name.startswith(("dim_", "fact_", "analytics_"))}
    for name, spec in specs.items():
        if name == "experiment_report":
            continue  # pages
        schema = spec.metadata["dagster/column_schema"]
        assert isinstance(schema, TableSchema)
        assert schema.columns, name
        for column in schema.columns:
            assert column.description, (name, column.name)
            if name in contracts or name.startswith("raw_data/"):
                assert column.type not in (None, "", "?"), (name, column.name)


def test_every_model_and_every_column_of_the_dbt_project_is_described(manifest: dict[str, Any]) -> None:
    for node in [*manifest["sources"].values(), *manifest["nodes"].values()]:
        if node["resource_type"] in ("model", "snapshot", "seed", "source"):
            assert node["description"], node["name"]
            assert node["columns"], node["name"]
            for column in node["columns"].values():
                assert column["description"], (node["name"], column["name"])


def test_only_raw_tables_and_backups_are_made_elsewhere(graph: AssetGraph) -> None:
    assert {key.to_user_string() for key in graph.external_asset_keys} == {
        EVENT,
        VARIANT,
        METADATA,
        "dagster_backup",
    }


def test_what_is_incremental_is_partitioned_by_day_and_nothing_else_is(graph: AssetGraph) -> None:
    assert {node.key.to_user_string() for node in graph.asset_nodes if node.partitions_def} == DAILY
    for name in DAILY:
        assert graph.get(AssetKey(name)).partitions_def == daily_partitions(get_settings())


def test_a_range_of_days_is_a_single_run_that_holds_the_warehouse(graph: AssetGraph) -> None:
    for key in graph.executable_asset_keys:
        node = graph.get(key)
        if node.partitions_def:
            assert node.backfill_policy, key
            assert node.backfill_policy.max_partitions_per_run is None, key
        assert node.pools == {"warehouse"}, key


def test_a_job_builds_everything(defs: Definitions, graph: AssetGraph) -> None:
    job = defs.resolve_job_def("refresh")
    assert job.asset_layer.executable_asset_keys == graph.executable_asset_keys


# Days


@pytest.mark.parametrize(
    ("timezone", "last"), [("Pacific/Kiritimati", "2025-03-02"), ("UTC", "2025-03-01"), ("Pacific/Niue", "2025-02-28")]
)
def test_the_days_are_those_of_the_time_zone_from_the_start_to_today(timezone: str, last: str) -> None:
    partitions = daily_partitions(Settings(start_date=date(2025, 2, 27), timezone=timezone))
    with partition_loading_context(datetime(2025, 3, 1, 10, 30, tzinfo=ZoneInfo("UTC"))):
        assert partitions.get_first_partition_key() == "2025-02-27"
        assert partitions.get_last_partition_key() == last
    window = partitions.time_window_for_partition_key("2025-02-28")
    assert window.start == datetime(2025, 2, 28, tzinfo=ZoneInfo(timezone))


# Checks


def test_each_data_test_is_a_check_and_blocks_unless_it_only_warns(
    defs: Definitions, graph: AssetGraph, manifest: dict[str, Any]
) -> None:
    severity = {
        node["name"]: node["config"]["severity"].lower()
        for node in manifest["nodes"].values()
        if node["resource_type"] == "test"
    }
    freshness = {key for check in defs.asset_checks or [] for key in check.check_keys}
    gates = {key for key in graph.asset_check_keys if key.asset_key == AssetKey("experiment_results")}
    blocking = {key.name: graph.get(key).blocking for key in graph.asset_check_keys - freshness - gates}
    assert blocking == {name: level == "error" for name, level in severity.items()}


def test_each_gate_is_a_check_and_withholds_one_verdict_not_everybodys_refresh(graph: AssetGraph) -> None:
    gates = {
        key.name: graph.get(key) for key in graph.asset_check_keys if key.asset_key == AssetKey("experiment_results")
    }
    assert set(gates) == set(GATES)
    assert {name for name, check in gates.items() if check.blocking} == set()


def test_tests_of_raw_tables_only_warn_and_tests_of_what_is_built_block(graph: AssetGraph) -> None:
    """A warning about what is built is about raw data too, or says what someone has done."""
    warnings = {key for key in graph.asset_check_keys if not graph.get(key).blocking}
    assert {key for key in graph.asset_check_keys if key.asset_key.path[0] == "raw_data"} <= warnings
    gates = {key for key in warnings if key.asset_key == AssetKey("experiment_results")}
    assert {key.name for key in warnings - gates if key.asset_key.path[0] != "raw_data"} == {
        "every_variant_is_declared",
        "facts_equal_raw_events",
        "no_day_is_rolled_back",
        "daily_freshness",
        "restores",
    }


# The raw contract, which Python and dbt both state


def test_dbt_and_the_loader_know_the_same_raw_tables(manifest: dict[str, Any]) -> None:
    sources = {source["name"]: source for source in manifest["sources"].values() if source["source_name"] == "raw_data"}
    assert set(sources) == set(RAW_TABLES)
    for name, table in RAW_TABLES.items():
        declared = {
            column["name"]: (column["data_type"], bool(column["config"]["meta"].get("optional")))
            for column in sources[name]["columns"].values()
        }
        assert declared == {column.name: (column.type.split("(")[0], column.is_optional) for column in table.columns}


def test_the_key_columns_of_raw_tables_are_those_that_are_checked_for_nulls(manifest: dict[str, Any]) -> None:
    checked = {
        (manifest["sources"][node["depends_on"]["nodes"][0]]["name"], node["column_name"])
        for node in manifest["nodes"].values()
        if node["name"].startswith("source_not_null_")
    }
    assert checked == {
        (table.name, column.name) for table in RAW_TABLES.values() for column in table.columns if column.is_key
    }


def test_a_raw_text_fits_in_the_column_that_it_is_copied_to(manifest: dict[str, Any]) -> None:
    dimensions = {"user_variant": "dim_user_variant", "user_metadata": "dim_user_metadata"}
    for raw, dimension in dimensions.items():
        built_types = manifest["nodes"][f"model.ab_pipeline.{dimension}"]["columns"]
        for column in RAW_TABLES[raw].columns:
            assert built_types[column.name]["data_type"] == column.type


def test_dbt_and_the_registry_know_the_same_measures(manifest: dict[str, Any]) -> None:
    units = manifest["nodes"]["model.ab_pipeline.experiment_units"]["columns"]
    measures = [name.removeprefix("pre_") for name in units if name.startswith("pre_") and name != "pre_days"]
    assert tuple(measures) == MEASURES
    assert str(list(MEASURES)) in manifest["macros"]["macro.ab_pipeline.measures"]["macro_sql"]


def test_statistics_have_the_moments_that_the_read_out_reads(manifest: dict[str, Any]) -> None:
    columns = list(manifest["nodes"]["model.ab_pipeline.experiment_statistics"]["columns"])
    assert columns[columns.index("cap") + 1 :] == [field.name for field in fields(Moments)]


def test_a_range_of_days_of_everything_is_one_run(graph: AssetGraph) -> None:
    policies = {graph.get(key).backfill_policy for key in graph.materializable_asset_keys}
    assert policies == {BackfillPolicy.single_run()}
