"""What Dagster says of its assets, checks, schedules and sensors, asked through its own API."""

import asyncio
from typing import Any, cast

from dagster import AssetCheckKey, DagsterEventType, DagsterInstance, PartitionsDefinition
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
from dagster._core.storage.event_log.base import AssetRecord
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from ab_pipeline_tests.maintenance.cleanup.pipeline import DEFINITIONS

_LATEST = (
    DagsterEventType.ASSET_MATERIALIZATION,
    DagsterEventType.ASSET_OBSERVATION,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
)


def what_dagster_believes(instance: DagsterInstance) -> dict[str, Any]:
    """By question, the answer; the cache of partition status is wiped first."""
    graph = DEFINITIONS.resolve_asset_graph()
    keys, checks = sorted(graph.materializable_asset_keys), sorted(graph.asset_check_keys)
    for key in keys:
        instance.event_log_storage.wipe_asset_cached_status(key)
    records = {record.asset_entry.asset_key: record for record in instance.get_asset_records(keys)}
    return {
        "assets": {key: _asset(instance, records[key], graph.get(key).partitions_def) for key in keys},
        "checks": {check: _check(instance, check) for check in checks},
        "check summaries": instance.event_log_storage.get_asset_check_summary_records(checks),
        "partitions of checks": instance.event_log_storage.get_asset_check_partition_info(checks),
        "instigators": sorted(instance.all_instigator_state(), key=lambda state: state.instigator_name),
        "last ticks": _last_ticks(instance),
        "backfills": instance.get_backfills(),
        "pools": instance.event_log_storage.get_pool_limits(),
    }


def _asset(instance: DagsterInstance, record: AssetRecord, partitions: PartitionsDefinition | None) -> dict[str, Any]:
    storage, key = instance.event_log_storage, record.asset_entry.asset_key
    answers: dict[str, Any] = {
        "last materialization": record.asset_entry.last_materialization_record,
        "last run": record.asset_entry.last_run_id,
        "last run's status": _status(instance, record.asset_entry.last_run_id),
        "planned": storage.get_latest_planned_materialization_info(key),
    }
    if not partitions:
        return answers
    return answers | {
        "partition status": get_and_update_asset_status_cache_value(instance, key, partitions),
        "materialized": storage.get_materialized_partitions(key),
        "versions": storage.get_latest_tags_by_partition(
            key, DagsterEventType.ASSET_MATERIALIZATION, tag_keys=[DATA_VERSION_TAG]
        ),
        "attempts": storage.get_latest_asset_partition_materialization_attempts_without_materializations(key),
        **{kind.value: storage.get_latest_storage_id_by_partition(key, kind) for kind in _LATEST},
    }


def _status(instance: DagsterInstance, run_id: str | None) -> Any:
    run = instance.get_run_by_id(run_id) if run_id else None
    return run and run.status


def _check(instance: DagsterInstance, check: AssetCheckKey) -> dict[str, Any]:
    storage = instance.event_log_storage
    latest = cast("AssetCheckExecutionRecord", storage.get_latest_asset_check_execution_by_key([check])[check])
    context = LoadingContextForTest(instance)
    return {
        "latest": latest,
        "status": asyncio.run(latest.resolve_status(context)),
        "is of the latest": asyncio.run(latest.targets_latest_materialization(context)),
    }


def _last_ticks(instance: DagsterInstance) -> dict[str, Any]:
    return {
        state.instigator_name: instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        for state in instance.all_instigator_state()
    }
