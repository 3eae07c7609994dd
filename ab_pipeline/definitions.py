"""The table of contents: every asset, job, sensor and schedule of the code location."""

from __future__ import annotations

import json

from dagster import AssetSelection, Definitions, define_asset_job, in_process_executor

from ab_pipeline.assets.dbt import warehouse_assets
from ab_pipeline.assets.raw import raw_assets
from ab_pipeline.assets.translator import AbPipelineTranslator
from ab_pipeline.automation.raw_changes import REFRESH_JOB, RawChanges, late_data_sweep, raw_changes_sensor
from ab_pipeline.dbt.project import load_lineage, load_project
from ab_pipeline.partitions import daily_partitions
from ab_pipeline.settings import get_settings
from ab_pipeline.warehouse.connect import warehouse_of

_settings = get_settings()
_project = load_project(_settings)
_manifest = json.loads(_project.manifest_path.read_bytes())
_translator = AbPipelineTranslator(daily_partitions(_settings))

_warehouse_assets = warehouse_assets(_project, _manifest, _translator, load_lineage(_project))
_refresh = define_asset_job(REFRESH_JOB, AssetSelection.all(), description="Build everything, of the days given.")
_raw_changes = RawChanges(_settings, warehouse_of(_settings), _warehouse_assets)

defs = Definitions(
    assets=[*raw_assets(_manifest, _translator), _warehouse_assets],
    jobs=[_refresh],
    sensors=[raw_changes_sensor(_raw_changes, _refresh)],
    schedules=[late_data_sweep(_raw_changes, _refresh, _settings)],
    # a run is one step: a process for it would only import everything again
    executor=in_process_executor,
)
