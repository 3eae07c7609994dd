"""Backups and drills by the clock, as Dagster sees them: an asset that backups materialize, and a check that restores.

The asset is external, so that building the tables never makes a backup.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetMaterialization,
    AssetSelection,
    AssetSpec,
    DefaultScheduleStatus,
    JobDefinition,
    OpExecutionContext,
    ScheduleDefinition,
    asset_check,
    define_asset_job,
    job,
    op,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from ab_pipeline.assets.dbt import WAREHOUSE_POOL
from ab_pipeline.automation.schedules import NIGHTLY_BACKUP
from ab_pipeline.maintenance.backup.catalog import expire, find
from ab_pipeline.maintenance.backup.manifest import Manifest
from ab_pipeline.maintenance.backup.retention import Kept
from ab_pipeline.maintenance.lock import MAINTENANCE_POOL
from ab_pipeline.maintenance.object_store import ObjectStore, open_store
from ab_pipeline.maintenance.storage import dagster_home
from ab_pipeline.settings import Settings

BACKUP = AssetSpec(
    "dagster_backup",
    group_name="maintenance",
    description="The newest backup of what Dagster stores. It is verified when the drill has restored it.",
)
# production backs itself up; on a laptop somebody switches it on
_STATUS = {"local": DefaultScheduleStatus.STOPPED, "redshift": DefaultScheduleStatus.RUNNING}


@dataclass(frozen=True)
class BackupDefinitions:
    """What the code location shows of backups."""

    check: AssetChecksDefinition
    jobs: Sequence[JobDefinition | UnresolvedAssetJobDefinition]
    schedules: Sequence[ScheduleDefinition]


def backup_definitions(settings: Settings) -> BackupDefinitions:
    """The backup's job, the drill's, and when they start."""
    check = _restores(settings)
    backup = _backup(settings)
    drill = define_asset_job(
        "restore_drill",
        AssetSelection.checks(check),
        description="Restore the newest backup into scratch, compare, and call it verified.",
    )
    schedules = [
        ScheduleDefinition(
            name=name,
            job=started,
            cron_schedule=cron,
            execution_timezone=settings.timezone,
            default_status=_STATUS[settings.target],
        )
        for name, started, cron in ((NIGHTLY_BACKUP, backup, "0 5 * * *"), ("weekly_drill", drill, "0 6 * * 0"))
    ]
    return BackupDefinitions(check, [backup, drill], schedules)


def _backup(settings: Settings) -> JobDefinition:
    # with the warehouse it keeps builds waiting; without, it waits for a clean-up instead of being refused
    pool = WAREHOUSE_POOL if settings.backup_warehouse else MAINTENANCE_POOL

    @op(name="back_up", pool=pool)
    def back_up_op(context: OpExecutionContext) -> None:
        from ab_pipeline.maintenance.backup.make import back_up

        store = open_store(settings.backup_location)
        made = back_up(settings, dagster_home(), store, context.log.info)
        context.log_event(_materialization(made, store))
        kept = Kept(settings.backup_keep_daily, settings.backup_keep_weekly, settings.backup_keep_monthly)
        for name in expire(store, kept):
            context.log.info(f"deleted {name}, whose time is over")

    @job(name="backup", description="Back up what Dagster stores; delete the backups whose time is over.")
    def backup() -> None:
        back_up_op()

    return backup


def _restores(settings: Settings) -> AssetChecksDefinition:
    @asset_check(
        asset=BACKUP.key,
        name="restores",
        description="The newest backup restores to what was backed up, and Dagster opens it.",
    )
    def restores(context: AssetCheckExecutionContext) -> AssetCheckResult:
        from ab_pipeline.maintenance.backup.drill import drill

        store = open_store(settings.backup_location)
        result = drill(store, find(store, None), context.log.info)
        return AssetCheckResult(
            passed=not result.problems,
            description="; ".join(result.problems) or f"{result.name} is verified",
            metadata={
                "backup": result.name,
                "runs": result.runs,
                "partitions": result.partitions,
                "seconds": result.seconds,
            },
        )

    return restores


def _materialization(made: Manifest, store: ObjectStore) -> AssetMaterialization:
    return AssetMaterialization(
        BACKUP.key,
        description=f"{store.location}/{made.name}",
        metadata={
            "location": f"{store.location}/{made.name}",
            "bytes": made.size,
            "dagster/row_count": sum(digest.count for digest in made.contents.tables.values()),
            "left_out": list(made.left_out),
        },
    )
