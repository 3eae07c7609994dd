"""What can be found by now, and how much longer the planned effect takes."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass

from ab_pipeline.experiments.declaration import Metric, MetricRole
from ab_pipeline.experiments.evidence import AssignedUsers
from ab_pipeline.experiments.inference import ALPHA, POWER, detectable_effect
from ab_pipeline.experiments.moments import ALL_USERS
from ab_pipeline.experiments.result import Precision
from ab_pipeline.experiments.samples import NoNumberError
from ab_pipeline.experiments.subject import Subject

_RATE_DAYS = 7


@dataclass(frozen=True)
class Family:
    """How many tests the verdict is made of."""

    comparisons: int
    """Primary metrics times treatments: each has its share of alpha, as the first step of Holm's gives it."""
    guardrails: int
    """All of them have to hold beside the win: each has its share of beta."""

    def alpha(self, role: MetricRole) -> float:
        """Of a test, two-sided. Guardrails are not adjusted, since all have to hold."""
        return ALPHA if role == MetricRole.GUARDRAIL else ALPHA / max(self.comparisons, 1)

    @property
    def power(self) -> float:
        """Of each test, so that a win and every guardrail are found together with 80 %.

        Schultzberg, Ankargren and Frånberg, arXiv 2402.11609.
        """
        return 1 - (1 - POWER) / (1 + self.guardrails)


def family_of(metrics: Iterable[Metric], treatments: int) -> Family:
    """Of the verdict on so many treatments."""
    roles = [metric.role for metric in metrics]
    return Family(roles.count(MetricRole.PRIMARY) * treatments, roles.count(MetricRole.GUARDRAIL))


def precision_of(subject: Subject, assigned: Iterable[AssignedUsers], as_of: dt.date, family: Family) -> Precision:
    """Of a metric and treatment, all users.

    The variance of the mean falls as users come, so the users needed are those there are, times the square of what is
    detectable over what is planned.
    """
    ids = (subject.metric.metric_id, subject.variant_id, subject.metric.minimum_effect)
    try:
        _, comparison = subject.best_comparison
    except NoNumberError:
        return Precision(*ids, None, None, None)
    if comparison.control.mean <= 0:
        return Precision(*ids, None, None, None)
    found = detectable_effect(comparison.standard_error, family.alpha(subject.metric.role), family.power)
    detectable = found / comparison.control.mean
    users = comparison.control.users + comparison.treatment.users
    needed = math.ceil(users * (detectable / subject.metric.minimum_effect) ** 2)
    per_day = _users_per_day(assigned, {subject.control_id, subject.variant_id}, as_of)
    days = 0 if needed <= users else math.ceil((needed - users) / per_day) if per_day else None
    return Precision(*ids, detectable, needed, days)


def _users_per_day(assigned: Iterable[AssignedUsers], variants: set[str], as_of: dt.date) -> float:
    """The mean over the last week, or the days there are."""
    days: dict[dt.date, int] = {}
    for row in assigned:
        if row.segment == ALL_USERS and row.variant_id in variants and row.assigned_on:
            days[row.assigned_on] = days.get(row.assigned_on, 0) + row.users
    if not days:
        return 0.0
    first = max(min(days), as_of - dt.timedelta(days=_RATE_DAYS - 1))
    recent = sum(users for day, users in days.items() if first <= day <= as_of)
    return recent / ((as_of - first).days + 1)
