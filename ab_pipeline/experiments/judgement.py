"""What the rows of an experiment say of each treatment, before it is put into sentences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ab_pipeline.experiments.course import NOTHING_KNOWN, Course
from ab_pipeline.experiments.crossing import Crossing
from ab_pipeline.experiments.declaration import Direction, Experiment, Metric, MetricRole
from ab_pipeline.experiments.evidence import AssignedUsers
from ab_pipeline.experiments.moments import ALL_USERS
from ab_pipeline.experiments.result import Belief, Gate, MetricResult, Phase, Precision, Verdict
from ab_pipeline.experiments.verdict import (
    Finding,
    experiment_verdict,
    guardrail_finding,
    primary_finding,
    treatment_verdict,
)

DecidingRows = Mapping[tuple[str, str], MetricResult]
"""By metric and treatment."""


@dataclass(frozen=True)
class JudgedMetric:
    """A primary metric or guardrail of a treatment."""

    metric: Metric
    row: MetricResult
    finding: Finding
    crossing: Crossing | None = None
    """What it was found by, where that was an earlier look."""


@dataclass(frozen=True)
class JudgedTreatment:
    """A treatment, and what to do with it if every gate is passed."""

    variant_id: str
    verdict: Verdict
    metrics: tuple[JudgedMetric, ...]


@dataclass(frozen=True)
class Judgement:
    """All that the verdict rests on."""

    experiment: Experiment
    phase: Phase
    gates: tuple[Gate, ...]
    treatments: tuple[JudgedTreatment, ...]
    precision: tuple[Precision, ...]
    secondary: tuple[Metric, ...] = ()
    beliefs: tuple[Belief, ...] = ()
    unknown_skewness: tuple[str, ...] = ()
    """Metrics and treatments of whose sums nobody can tell whether a few users weigh too much."""

    @property
    def verdict(self) -> Verdict:
        """By the table in ARCHITECTURE.md."""
        return experiment_verdict([treatment.verdict for treatment in self.treatments], self.gates)

    @property
    def winner(self) -> str | None:
        """Of the treatments to ship, the one that does most for the first primary metric."""
        if self.verdict != Verdict.SHIP:
            return None
        best = max((one for one in self.treatments if one.verdict == Verdict.SHIP), key=_gain)
        return best.variant_id


def phase_of(
    experiment: Experiment, as_of: dt.date, course: Course = NOTHING_KNOWN, assigned: Iterable[AssignedUsers] = ()
) -> Phase:
    """How far the experiment is after a day. One that nobody declared has no planned end, whatever its newest day."""
    is_complete = course.complete_through is None or experiment.end_date <= course.complete_through
    is_over = as_of >= experiment.end_date and is_complete and not experiment.is_inferred
    users = [row for row in assigned if row.segment == ALL_USERS and row.users]
    first = min((row.assigned_on for row in users if row.assigned_on), default=None)
    seen = (as_of - max(first, experiment.start_date)).days + 1 if first else None
    moved = course.first_planned_end not in (None, experiment.end_date)
    return Phase((as_of - experiment.start_date).days + 1, is_over, seen, moved)


def judge_treatment(
    variant_id: str,
    metrics: Iterable[Metric],
    deciding: DecidingRows,
    *,
    harmless: Collection[tuple[str, str]],
    crossings: Mapping[tuple[str, str], Crossing],
    phase: Phase,
) -> JudgedTreatment:
    """By its primary metrics and guardrails; secondary metrics decide nothing.

    Guardrails that are shown to be harmless, and what was found at an earlier look, are given by metric and treatment.
    """
    judged = [
        _judged(metric, row, crossings.get(key), is_harmless=key in harmless)
        for metric in sorted(metrics, key=lambda metric: metric.role != MetricRole.PRIMARY)
        if metric.role != MetricRole.SECONDARY
        for key in [(metric.metric_id, variant_id)]
        for row in [deciding[key]]
    ]
    verdict = treatment_verdict(_findings(judged, MetricRole.PRIMARY), _findings(judged, MetricRole.GUARDRAIL), phase)
    return JudgedTreatment(variant_id, verdict, tuple(judged))


def _judged(metric: Metric, row: MetricResult, crossing: Crossing | None, *, is_harmless: bool) -> JudgedMetric:
    if metric.role == MetricRole.GUARDRAIL:
        return JudgedMetric(metric, row, guardrail_finding(metric, row, is_harmless=is_harmless))
    finding = primary_finding(metric, row)
    if crossing and finding in (Finding.NO_DIFFERENCE, Finding.NO_NUMBER):
        return JudgedMetric(metric, row, Finding.BETTER if crossing.is_better else Finding.WORSE, crossing)
    return JudgedMetric(metric, row, finding)


def _findings(judged: Sequence[JudgedMetric], role: MetricRole) -> list[Finding]:
    return [one.finding for one in judged if one.metric.role == role]


def _gain(treatment: JudgedTreatment) -> float:
    first = treatment.metrics[0]
    effect = first.row.absolute_effect or 0.0
    return effect if first.metric.direction == Direction.INCREASE else -effect
