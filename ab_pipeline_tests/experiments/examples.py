"""An experiment of four weeks, its metrics, and cells of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from ab_pipeline.experiments.declaration import Direction, Experiment, Metric, MetricKind, MetricRole, Variant
from ab_pipeline.experiments.evidence import AssignedUsers, Evidence
from ab_pipeline.experiments.moments import ALL_USERS, Cell, Moments

START, END = dt.date(2025, 1, 1), dt.date(2025, 1, 28)
CONTROL, TREATMENT = Variant("off", True, 0.5), Variant("on", False, 0.5)


def experiment(
    *variants: Variant, pre_period_days: int = 0, is_aa: bool = False, start: dt.date = START, end: dt.date = END
) -> Experiment:
    return Experiment(
        "checkout",
        "One-page checkout",
        "Fewer steps let more complete a purchase",
        "checkout@example.com",
        start,
        end,
        pre_period_days,
        1.0,
        variants or (CONTROL, TREATMENT),
        is_aa=is_aa,
    )


def metric(
    metric_id: str = "revenue",
    kind: MetricKind = MetricKind.MEAN,
    role: MetricRole = MetricRole.PRIMARY,
    *,
    direction: Direction = Direction.INCREASE,
    minimum_effect: float = 0.05,
    cap: float | None = None,
) -> Metric:
    denominator = "impressions" if kind == MetricKind.RATIO else None
    return Metric(metric_id, kind, metric_id, denominator, cap, direction, role, minimum_effect)


def cells(
    by_variant: Mapping[str, Moments],
    metric_id: str = "revenue",
    segment: str = ALL_USERS,
    as_of: dt.date = END,
    *,
    is_capped: bool = False,
) -> list[Cell]:
    return [
        Cell("checkout", metric_id, variant_id, segment, as_of, moments, is_capped)
        for variant_id, moments in by_variant.items()
    ]


def evidence(users_a_day: Mapping[str, int], days: int = 28, start: dt.date = START) -> Evidence:
    """As many users of each variant on each day from the start on."""
    assigned = [
        AssignedUsers(variant_id, ALL_USERS, start + dt.timedelta(days=day), users)
        for day in range(days)
        for variant_id, users in users_a_day.items()
    ]
    return Evidence(tuple(assigned), users_in_several_variants=0, users_without_metadata=0)
