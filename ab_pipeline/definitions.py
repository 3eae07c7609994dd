"""The table of contents: every asset, job, sensor and schedule of the code location."""

from __future__ import annotations

import json

from dagster import AssetSelection, Definitions, define_asset_job, in_process_executor

from ab_pipeline.assets.dbt import warehouse_assets
from ab_pipeline.assets.freshness import daily_freshness, raw_freshness
from ab_pipeline.assets.raw import raw_assets
from ab_pipeline.assets.translator import AbPipelineTranslator
from ab_pipeline.automation.alerts import alert_sensors
from ab_pipeline.automation.raw_changes import REFRESH_JOB, RawChanges, late_data_sweep_schedule, raw_changes_sensor
from ab_pipeline.automation.schedules import schedules
from ab_pipeline.dbt.project import load_lineage, load_project
from ab_pipeline.maintenance.backup.jobs import BACKUP, backup_definitions
from ab_pipeline.partitions import daily_partitions
from ab_pipeline.settings import get_settings
from ab_pipeline.warehouse.connect import warehouse_of

_settings = get_settings()
_project = load_project(_settings)
_manifest = json.loads(_project.manifest_path.read_bytes())
_translator = AbPipelineTranslator(daily_partitions(_settings))

_warehouse_assets = warehouse_assets(_project, _manifest, _translator, load_lineage(_project))
_daily_keys = [key for key in _warehouse_assets.keys if _warehouse_assets.get_asset_spec(key).partitions_def]
_freshness_checks = [
    daily_freshness(_daily_keys, _settings),
    raw_freshness(_project, _manifest, _translator, _settings),
]

_backup = backup_definitions(_settings)

_refresh = define_asset_job(
    REFRESH_JOB,
    # how fresh the tables are is asked by the clock: a refresh of an old day says nothing about it
    AssetSelection.all() - AssetSelection.checks(*_freshness_checks, _backup.check),
    description="Build everything, of the days given.",
)
_snapshots = define_asset_job(
    "snapshots", AssetSelection.groups("dimensions"), description="Build the dimensions, and their history."
)
_freshness = define_asset_job(
    "freshness", AssetSelection.checks(*_freshness_checks), description="Ask whether raw rows and days are late."
)
_raw_changes = RawChanges(_settings, warehouse_of(_settings), _warehouse_assets)

defs = Definitions(
    assets=[*raw_assets(_manifest, _translator), _warehouse_assets, BACKUP],
    asset_checks=[*_freshness_checks, _backup.check],
    jobs=[_refresh, _snapshots, _freshness, *_backup.jobs],
    sensors=[raw_changes_sensor(_raw_changes, _refresh), *alert_sensors(_settings)],
    schedules=[
        late_data_sweep_schedule(_raw_changes, _refresh, _settings),
        *schedules(_settings, refresh=_refresh, snapshots=_snapshots, freshness=_freshness),
        *_backup.schedules,
    ],
    # a run is one step: a process for it would only import everything again
    executor=in_process_executor,
)
