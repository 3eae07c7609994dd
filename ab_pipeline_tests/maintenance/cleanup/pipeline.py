"""Assets whose runs leave all that Dagster stores: partitions, checks, failures, printed lines."""

from datetime import UTC, datetime

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    DailyPartitionsDefinition,
    DataVersion,
    Definitions,
    MaterializeResult,
    asset,
    define_asset_job,
    in_process_executor,
)

FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = DailyPartitionsDefinition("2025-01-01")


def _daily(name: str) -> AssetsDefinition:
    @asset(name=name, partitions_def=DAYS)
    def daily(context: AssetExecutionContext) -> MaterializeResult:
        context.log.info("building %s", context.partition_key)
        return MaterializeResult(metadata={"rows": 12}, data_version=DataVersion(context.run.run_id[:8]))

    return daily


def _checked(name: str) -> AssetsDefinition:
    @asset(name=name, check_specs=[AssetCheckSpec("is_right", asset=name)])
    def checked() -> MaterializeResult:
        return MaterializeResult(check_results=[AssetCheckResult(passed=True, metadata={"rows": 3})])

    return checked


@asset(partitions_def=DAYS)
def flaky() -> None:
    print("about to fail")
    raise RuntimeError("the warehouse is on fire")


_dailies = [_daily(f"daily_{number}") for number in range(5)]
_checkeds = [_checked(f"checked_{number:02}") for number in range(30)]

DEFINITIONS = Definitions(
    assets=[*_dailies, *_checkeds, flaky],
    jobs=[
        define_asset_job("dailies", [*_dailies]),
        define_asset_job("checks", [*_checkeds]),
        define_asset_job("flakies", [flaky]),
    ],
    executor=in_process_executor,
)
