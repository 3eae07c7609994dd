"""A tiny code location, for the door to stand in front of."""

import dagster as dg


@dg.op
def greet() -> None:
    """Say nothing."""


@dg.job
def greeting() -> None:
    greet()


@dg.asset(partitions_def=dg.DynamicPartitionsDefinition(name="guests"))
def guest() -> None: ...


@dg.schedule(job=greeting, cron_schedule="0 0 1 1 *")
def yearly() -> dict:
    return {}


@dg.sensor(job=greeting)
def bell() -> dg.SkipReason:
    return dg.SkipReason("nobody rings")


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2025-01-01"), backfill_policy=dg.BackfillPolicy.single_run())
def day() -> None: ...


refresh = dg.define_asset_job("refresh", [day], tags={"ab_pipeline/database": "tiny"})


defs = dg.Definitions(assets=[guest, day], jobs=[greeting, refresh], schedules=[yearly], sensors=[bell])
