"""What a run does for the first time in a process, done before there is a run: imports, the manifest, one build."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from dagster import AssetSelection, DagsterInstance, Definitions, define_asset_job, in_process_executor
from dagster_dbt import DbtProject

from ab_pipeline.dbt.api import forget_warehouse, hold_manifest, parse
from ab_pipeline.dbt.project import load_project
from ab_pipeline.paths import PROJECT_DIR, REGISTRY
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.settings import Settings, get_settings
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from ab_pipeline.warm_runs.channel import MODULE

_QUIETLY = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_SAMPLE = SampleSpec(users=50, days=2, events_per_day=100, end_date=dt.date(2025, 2, 20))


def warm_up() -> None:
    """Leave in this process all that its children share: on target local after a build, on Redshift without one."""
    for module in (MODULE, "ab_pipeline.readouts.evaluate", "ab_pipeline.readouts.pages"):
        importlib.import_module(module)
    settings = get_settings()
    project = load_project(settings)
    manifest = parse(project)
    if settings.target == "local":
        hold_manifest(manifest.deepcopy())
        with TemporaryDirectory() as folder, _scratch(settings, Path(folder)) as scratch:
            _build(scratch, project.manifest_path, Path(folder, "target"))
        forget_warehouse()
    hold_manifest(manifest)


@contextmanager
def _scratch(settings: Settings, folder: Path) -> Iterator[Settings]:
    """The settings of a file of its own with a few rows, which dbt reads from the environment."""
    kept = dict(os.environ)
    # compiled SQL names the database, which is the stem of the file
    path = folder / settings.duckdb_path.name
    changed = {"duckdb_path": path, "reports_path": folder / "reports", "start_date": _SAMPLE.first_day}
    scratch = settings.model_copy(update=changed)
    os.environ.update(scratch.dbt_environment())
    try:
        with DuckDBWarehouse(path).open(read_only=False) as session:
            generate(session, _SAMPLE)
        yield scratch
    finally:
        os.environ.clear()
        os.environ.update(kept)


def _build(settings: Settings, manifest_path: Path, target_path: Path) -> None:
    """Every asset of a day, as a run builds it, recorded nowhere. What cannot be built is for the runs to say."""
    from ab_pipeline.assets.dbt import warehouse_assets
    from ab_pipeline.assets.experiments import readout_assets
    from ab_pipeline.assets.translator import AbPipelineTranslator
    from ab_pipeline.partitions import daily_partitions

    # a run may be writing into the real one
    project = DbtProject(PROJECT_DIR, target_path=target_path, target=settings.target)
    translator = AbPipelineTranslator(daily_partitions(settings))
    models = warehouse_assets(project, json.loads(manifest_path.read_bytes()), translator, {})
    readouts = readout_assets(settings, DuckDBWarehouse(settings.duckdb_path), REGISTRY)
    job = define_asset_job("warm_up", AssetSelection.all())
    definitions = Definitions(assets=[models, readouts], jobs=[job], executor=in_process_executor)
    with DagsterInstance.ephemeral() as instance, redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        definitions.resolve_job_def("warm_up").execute_in_process(
            instance=instance, partition_key=str(_SAMPLE.end_date), run_config=_QUIETLY, raise_on_error=False
        )
