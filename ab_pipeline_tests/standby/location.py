"""A code location whose schedule and sensor write down each time that they are asked."""

import os
import time
from pathlib import Path

from dagster import (
    DefaultSensorStatus,
    Definitions,
    SensorEvaluationContext,
    SensorResult,
    job,
    op,
    sensor,
)


@op
def nothing() -> None:
    """Does nothing."""


@job
def a_job() -> None:
    """Never runs."""
    nothing()


@sensor(job=a_job, minimum_interval_seconds=1, default_status=DefaultSensorStatus.RUNNING)
def counting(context: SensorEvaluationContext) -> SensorResult:
    """Counts its looks in its cursor."""
    count = int(context.cursor or 0)
    with Path(os.environ["DAGSTER_HOME"], "looks.txt").open("a") as file:
        file.write(f"{time.time():.3f} {count}\n")
    return SensorResult(skip_reason="counted", cursor=str(count + 1))


defs = Definitions(jobs=[a_job], sensors=[counting])
