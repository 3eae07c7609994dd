"""Freshness as asset checks: is yesterday built, and do raw rows still arrive?

Dagster's `build_time_partition_freshness_checks` would ask for today, since today is a partition here; it is also
superseded, and warns at every load.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetsDefinition,
    MetadataValue,
    multi_asset_check,
)
from dagster_dbt import DbtProject

from ab_pipeline.assets.dbt import WAREHOUSE_POOL
from ab_pipeline.assets.translator import AbPipelineTranslator
from ab_pipeline.automation.signatures import built_days, raw_days, read_raw_tables
from ab_pipeline.dbt.source_freshness import DbtError, SourceFreshness, source_freshness
from ab_pipeline.raw_data.contract import USER_EVENT
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import Warehouse, WarehouseError

_SEVERITIES = {"error": AssetCheckSeverity.ERROR}


def expected_day(now: datetime, deadline_hour: int) -> date:
    """The newest day that must be built: yesterday, from the deadline on. `now` is in the days' own time zone."""
    return now.date() - timedelta(days=1 if now.hour >= deadline_hour else 2)


def daily_keys(assets: AssetsDefinition) -> list[AssetKey]:
    """The assets that have every day. An experiment has days only while it runs."""
    return [spec.key for spec in assets.specs if spec.partitions_def and spec.group_name != "experiments"]


def daily_freshness(keys: Sequence[AssetKey], settings: Settings, warehouse: Warehouse) -> AssetChecksDefinition:
    """A check of each daily asset: its newest day that is due is built, as the warehouse itself says."""
    deadline = settings.freshness_deadline_hour

    @multi_asset_check(
        name="daily_freshness",
        specs=[
            AssetCheckSpec("daily_freshness", asset=key, description=f"Yesterday is built by {deadline:02}:00.")
            for key in keys
        ],
        can_subset=True,
        pool=WAREHOUSE_POOL,
    )
    def check(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        day = expected_day(datetime.now(ZoneInfo(settings.timezone)), deadline)
        found = standing_of_day(warehouse, day)
        for check_key in context.selected_asset_check_keys:
            yield AssetCheckResult(
                asset_key=check_key.asset_key,
                check_name=check_key.name,
                passed=found.is_built or (found.can_be_seen and day < settings.start_date),
                severity=AssetCheckSeverity.WARN if found.can_be_seen else AssetCheckSeverity.ERROR,
                description=found.sentence,
                metadata={"day": day.isoformat(), "database": warehouse.name},
            )

    return check


@dataclass(frozen=True)
class StandingOfDay:
    """Whether a day is built."""

    sentence: str
    is_built: bool = False
    can_be_seen: bool = True


def standing_of_day(warehouse: Warehouse, day: date) -> StandingOfDay:
    """What `built_day` says of a day. Dagster's events may be those of another database, or of one that is gone."""
    try:
        with warehouse.open() as session:
            read_raw_tables(session)
            there = raw_days(session, date.max, [day]).get(day)
            built = built_days(session, date.max, [day]).get(day)
    except WarehouseError as error:
        return StandingOfDay(f"nobody knows whether {day} is built: {error}", can_be_seen=False)
    if there is None:
        rows_left = " though rows of it are built" if built else ""
        return StandingOfDay(f"{day} is not built: {USER_EVENT.relation} has no events of it{rows_left}")
    if built is None:
        return StandingOfDay(f"{day} is not built: {there.num_of_events:,} events wait")
    if built.events != there:
        return StandingOfDay(f"{day} is not built from what {USER_EVENT.relation} holds")
    return StandingOfDay(f"{day} is built", is_built=True)


def raw_freshness(
    project: DbtProject, manifest: Mapping[str, Any], translator: AbPipelineTranslator, settings: Settings
) -> AssetChecksDefinition:
    """A check of each raw table that has thresholds in `models/src/sources.yml`, as dbt finds it."""
    keys = {
        unique_id: translator.get_asset_spec(manifest, unique_id, None).key
        for unique_id, source in manifest["sources"].items()
        if _has_threshold(source)
    }

    @multi_asset_check(
        name="raw_freshness",
        specs=[
            AssetCheckSpec("source_freshness", asset=key, description="Rows arrive as `sources.yml` expects.")
            for key in keys.values()
        ],
        pool=WAREHOUSE_POOL,
    )
    def check() -> Iterator[AssetCheckResult]:
        found, reason = _ask_dbt(project, settings)
        for unique_id, key in keys.items():
            yield evaluation(key, found.get(unique_id, SourceFreshness("runtime error", reason)))

    return check


def evaluation(key: AssetKey, freshness: SourceFreshness) -> AssetCheckResult:
    """dbt's finding as Dagster shows it. What dbt could not find out is a warning: it need not be stale."""
    stale = f"the newest row is {freshness.age} old" if freshness.age is not None else freshness.message
    return AssetCheckResult(
        asset_key=key,
        check_name="source_freshness",
        passed=freshness.status == "pass",
        severity=_SEVERITIES.get(freshness.status, AssetCheckSeverity.WARN),
        description=stale,
        metadata={
            "status": freshness.status,
            **({"newest_row": MetadataValue.timestamp(freshness.newest)} if freshness.newest else {}),
        },
    )


def _ask_dbt(project: DbtProject, settings: Settings) -> tuple[dict[str, SourceFreshness], str]:
    """What dbt found, or why it found nothing."""
    if settings.target == "local" and not settings.duckdb_path.exists():
        # dbt would create it
        return {}, f"{settings.duckdb_path} does not exist yet"
    try:
        return source_freshness(project), "dbt did not say"
    except DbtError as error:
        return {}, str(error)


def _has_threshold(source: Mapping[str, Any]) -> bool:
    freshness = source.get("freshness") or {}
    return any((freshness.get(name) or {}).get("count") for name in ("warn_after", "error_after"))
