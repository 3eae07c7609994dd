"""What a confidence sequence found once stays found: over all looks its intervals may be intersected.

Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 2021, section 1: with 95 % the truth is in every interval, so
that one which leaves out zero settles the sign. It holds for the data that was looked at: a corrected day ends it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from ab_pipeline.experiments.course import Course
from ab_pipeline.experiments.declaration import Direction, Metric, MetricRole
from ab_pipeline.experiments.inference import ALPHA
from ab_pipeline.experiments.results import always_valid_rows


@dataclass(frozen=True)
class Crossing:
    """The first look at which a primary metric of a treatment was always-validly better or worse."""

    on: dt.date
    day: int
    """Of the experiment, its start being 1."""
    is_better: bool


def crossings_of(course: Course, metrics: Iterable[Metric], start: dt.date) -> dict[tuple[str, str], Crossing]:
    """By metric and treatment, those that no later correction has ended."""
    roles = {metric.metric_id: metric for metric in metrics if metric.role == MetricRole.PRIMARY}
    first_corrected = min(course.corrected, default=dt.date.max)
    found: dict[tuple[str, str], Crossing] = {}
    for look in course.looks:
        if look.as_of >= first_corrected:
            break
        for key, row in always_valid_rows(look.results).items():
            metric = roles.get(key[0])
            if metric is None or row.p_value_adjusted is None or row.p_value_adjusted >= ALPHA or key in found:
                continue
            is_better = ((row.absolute_effect or 0.0) > 0) == (metric.direction == Direction.INCREASE)
            found[key] = Crossing(look.as_of, (look.as_of - start).days + 1, is_better)
    return found
