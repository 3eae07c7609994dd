"""The clean-up as a Dagster job: by hand a dry run unless told otherwise, by the clock the real thing."""

from dagster import (
    AssetMaterialization,
    Config,
    Failure,
    JobDefinition,
    MetadataValue,
    OpExecutionContext,
    RunConfig,
    ScheduleDefinition,
    in_process_executor,
    job,
    op,
)
from dagster._core.definitions.metadata import RawMetadataMapping
from pydantic import Field

from ab_pipeline.automation.schedules import CLEANUP, default_status
from ab_pipeline.maintenance.cleanup.clean_up import Report
from ab_pipeline.maintenance.cleanup.history import STORAGE, Measured, measured_before, measurements, picture
from ab_pipeline.maintenance.cleanup.open import open_clean_up
from ab_pipeline.maintenance.cleanup.show import (
    PLAN_COLUMNS,
    STORE_COLUMNS,
    kept_lines,
    markdown,
    plan_rows,
    store_rows,
    summary,
)
from ab_pipeline.maintenance.lock import MAINTENANCE_POOL
from ab_pipeline.settings import Settings

CLEANUP_JOB = "cleanup"
_OP = "clean_up_dagster"


class CleanupConfig(Config):
    """What the launchpad asks."""

    dry_run: bool = Field(default=True, description="Only plan: what would be removed is in the run's metadata.")


def cleanup_job(settings: Settings) -> JobDefinition:
    """Archive and remove old runs, ticks, logs and files; fails when any part of it failed."""

    @op(name=_OP, pool=MAINTENANCE_POOL)
    def clean_up_dagster(context: OpExecutionContext, config: CleanupConfig) -> None:
        clean_up = open_clean_up(context.instance, settings, context.log.info)
        report = clean_up.preview() if config.dry_run else clean_up.apply()
        context.log.info(summary(report))
        if report.after:
            _record(context, report)
        metadata = _metadata(report, measured_before(context.instance))
        if report.errors:
            raise Failure("\n".join(report.errors), metadata=metadata)
        context.add_output_metadata(metadata)

    @job(name=CLEANUP_JOB, description=cleanup_job.__doc__, executor_def=in_process_executor)
    def cleanup() -> None:
        clean_up_dagster()

    return cleanup


def cleanup_schedule(settings: Settings, cleanup: JobDefinition) -> ScheduleDefinition:
    """Every night, for real."""
    return ScheduleDefinition(
        name=CLEANUP,
        job=cleanup,
        cron_schedule="15 5 * * *",
        execution_timezone=settings.timezone,
        default_status=default_status(CLEANUP, settings.target),
        run_config=RunConfig(ops={_OP: CleanupConfig(dry_run=False)}),
        description="Archives and removes what is older than AB_PIPELINE_CLEANUP_KEEP_DAYS.",
    )


def _record(context: OpExecutionContext, report: Report) -> None:
    """So that the next clean-up, and the page of the asset, can show storage over time."""
    assert report.after
    context.log_event(AssetMaterialization(STORAGE, metadata=measurements(report.before, report.after)))


def _metadata(report: Report, measured: list[Measured]) -> RawMetadataMapping:
    metadata: dict[str, str | MetadataValue] = {
        "summary": summary(report),
        "runs": MetadataValue.md(markdown(PLAN_COLUMNS, plan_rows(report.plan, report.before))),
        "runs that stay": MetadataValue.md("\n".join(f"- {line}" for line in kept_lines(report.plan))),
        "storage before": MetadataValue.md(markdown(STORE_COLUMNS, store_rows(report.before.stores))),
    }
    if report.after:
        parts = [(part.part, part.error or part.result) for part in report.parts]
        metadata["parts"] = MetadataValue.md(markdown(("part", "result"), parts))
        metadata["storage after"] = MetadataValue.md(markdown(STORE_COLUMNS, store_rows(report.after.stores)))
    if measured:
        metadata["storage over time"] = MetadataValue.md(picture(measured))
    return metadata
