"""The dbt project as assets: one dbt process builds whatever a run has selected."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, BackfillPolicy, RetryRequested
from dagster_dbt import DbtProject, dbt_assets
from dagster_dbt.core.dbt_event_iterator import DbtDagsterEventType
from dagster_dbt.errors import DagsterDbtCliRuntimeError

from ab_pipeline.assets.lineage import lineage_metadata
from ab_pipeline.assets.translator import AbPipelineTranslator
from ab_pipeline.dbt.arguments import DayWindow, build_arguments
from ab_pipeline.dbt.error_text import is_passing_failure
from ab_pipeline.dbt.invocation import invoke_dbt
from ab_pipeline.dbt.lineage import ColumnLineage
from ab_pipeline.paths import REGISTRY
from ab_pipeline.warehouse.base import WarehouseError
from ab_pipeline.warehouse.retry import wait_before
from ab_pipeline.worker import WAREHOUSE_TAG, WORKER_TAG, Worker

# One writer at a time: DuckDB locks its file, and Redshift refuses concurrent writes as not serialisable.
WAREHOUSE_POOL = "warehouse"


def warehouse_assets(
    project: DbtProject,
    manifest: Mapping[str, Any],
    translator: AbPipelineTranslator,
    lineage: ColumnLineage,
    *,
    retries: int = 0,
    registry: Path | None = None,
    identify: Callable[[], object] | None = None,
) -> AssetsDefinition:
    """Every seed, model and snapshot of the project, with its tests as asset checks.

    `identify` tells which database a run builds, which the run's tags then say.

    A build that met another transaction, or lost its connection, is done again, as a whole: what it had built it builds
    again, to the same rows.
    """
    metadata_of = lineage_metadata(lineage, manifest, translator, project)

    @dbt_assets(
        manifest=manifest,
        project=project,
        dagster_dbt_translator=translator,
        backfill_policy=BackfillPolicy.single_run(),
        pool=WAREHOUSE_POOL,
    )
    def warehouse(context: AssetExecutionContext) -> Iterator[DbtDagsterEventType]:
        tags = {WORKER_TAG: Worker.current().tag}
        # a file that is not there is made by dbt
        with suppress(WarehouseError):
            tags |= {WAREHOUSE_TAG: str(identify())} if identify else {}
        context.instance.add_run_tags(context.run.run_id, tags)
        window = _selected_window(context)
        build = invoke_dbt(build_arguments(window), context=context, project=project, window=window)
        try:
            yield from build.events_with_metadata(metadata_of)
        except DagsterDbtCliRuntimeError as error:
            if not is_passing_failure(error.description or ""):
                # of the project that is built, unless a setting names another folder
                seeds = Path(project.project_dir) / REGISTRY.name
                _log_mistakes(context, registry if registry and registry != REGISTRY else seeds)
                raise
            wait = round(wait_before(context.retry_number + 1))
            raise RetryRequested(max_retries=retries, seconds_to_wait=wait) from error

    return warehouse


def _log_mistakes(context: AssetExecutionContext, registry: Path) -> None:
    """dbt's tests of the registry name a column; a person needs the file and the row as well."""
    from ab_pipeline.experiments.registry import RegistryError, read_registry

    try:
        read_registry(registry)
    except RegistryError as mistakes:
        context.log.error("mistakes in %s:\n%s", registry, mistakes)


def _selected_window(context: AssetExecutionContext) -> DayWindow | None:
    if not context.has_partition_key and not context.has_partition_key_range:
        return None
    window = context.partition_time_window
    return DayWindow(window.start, window.end)
