"""The day, defined once: facts and analytics are partitioned by it."""

from __future__ import annotations

from dagster import DailyPartitionsDefinition

from ab_pipeline.settings import Settings


def daily_partitions(settings: Settings) -> DailyPartitionsDefinition:
    """Every day from the configured start to today, today included, in the configured time zone."""
    return DailyPartitionsDefinition(
        start_date=settings.start_date.isoformat(), timezone=settings.timezone, end_offset=1
    )
