"""The table of contents: every asset, job, sensor and schedule of the code location."""

from __future__ import annotations

import json

from dagster import AssetSelection, Definitions, define_asset_job, in_process_executor

from ab_pipeline.assets.dbt import WAREHOUSE_POOL, warehouse_assets
from ab_pipeline.assets.experiments import readout_assets
from ab_pipeline.assets.freshness import daily_freshness, daily_keys, raw_freshness
from ab_pipeline.assets.raw import raw_assets
from ab_pipeline.assets.translator import AbPipelineTranslator
from ab_pipeline.automation.alerts import alert_sensors
from ab_pipeline.automation.looks import late_data_sweep_schedule, raw_changes_sensor
from ab_pipeline.automation.news_sensor import news_sensor
from ab_pipeline.automation.raw_changes import REFRESH_JOB, RawChanges
from ab_pipeline.automation.schedules import schedules
from ab_pipeline.automation.tick_alerts import tick_alert_sensor
from ab_pipeline.automation.turns import Turns
from ab_pipeline.dbt.project import load_lineage, load_project
from ab_pipeline.maintenance.backup.jobs import BACKUP, backup_definitions
from ab_pipeline.maintenance.cleanup.job import cleanup_job, cleanup_schedule
from ab_pipeline.maintenance.table_upkeep import table_upkeep_job, table_upkeep_schedule
from ab_pipeline.partitions import daily_partitions
from ab_pipeline.settings import get_settings
from ab_pipeline.warehouse.connect import warehouse_of, warehouse_to_look_at
from ab_pipeline.worker import DATABASE_TAG

_settings = get_settings()
_warehouse = warehouse_of(_settings)
_project = load_project(_settings)
_manifest = json.loads(_project.manifest_path.read_bytes())
_translator = AbPipelineTranslator(daily_partitions(_settings), _settings.dagster_url)

_warehouse_assets = warehouse_assets(
    _project,
    _manifest,
    _translator,
    load_lineage(_project),
    retries=_settings.redshift_retries,
    registry=_settings.registry,
    identify=_warehouse.identity,
)
_readout_assets = readout_assets(_settings, _warehouse, _settings.registry, _project.manifest_path)
_freshness_checks = [
    daily_freshness(daily_keys(_warehouse_assets), _settings, _warehouse),
    raw_freshness(_project, _manifest, _translator, _settings),
]

_backup = backup_definitions(_settings)

_refresh = define_asset_job(
    REFRESH_JOB,
    # how fresh the tables are is asked by the clock: a refresh of an old day says nothing about it
    AssetSelection.all() - AssetSelection.checks(*_freshness_checks, _backup.check),
    description="Build everything, of the days given.",
    # so that whoever asks this Dagster for a refresh knows what it would build
    tags={DATABASE_TAG: _settings.place},
)
_snapshots = define_asset_job(
    "snapshots", AssetSelection.groups("dimensions"), description="Build the dimensions, and their history."
)
_freshness = define_asset_job(
    "freshness", AssetSelection.checks(*_freshness_checks), description="Ask whether raw rows and days are late."
)
_cleanup = cleanup_job(_settings)
_turns = Turns()
raw_changes = RawChanges(_settings, warehouse_to_look_at(_settings), [_warehouse_assets, _readout_assets], _turns)
# DuckDB keeps itself in order
_upkeep = [table_upkeep_job(_warehouse, WAREHOUSE_POOL)] if _settings.target == "redshift" else []

defs = Definitions(
    assets=[*raw_assets(_manifest, _translator), _warehouse_assets, _readout_assets, BACKUP],
    asset_checks=[*_freshness_checks, _backup.check],
    jobs=[_refresh, _snapshots, _freshness, _cleanup, *_backup.jobs, *_upkeep],
    sensors=[
        raw_changes_sensor(raw_changes, _refresh, _settings.seconds_between_looks),
        *alert_sensors(_settings),
        tick_alert_sensor(_settings),
        news_sensor(_settings),
    ],
    schedules=[
        late_data_sweep_schedule(raw_changes, _refresh, _settings),
        *schedules(
            _settings,
            refresh=_refresh,
            snapshots=_snapshots,
            freshness=_freshness,
            turns=_turns,
            identify=_warehouse.identity,
        ),
        cleanup_schedule(_settings, _cleanup),
        *_backup.schedules,
        *(table_upkeep_schedule(upkeep, _settings) for upkeep in _upkeep),
    ],
    # a run is one step: a process for it would only import everything again
    executor=in_process_executor,
)
