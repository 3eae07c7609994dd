"""What to do with an experiment: the table in ARCHITECTURE.md, as functions.

The rule for several metrics follows Schultzberg, Ankargren and Frånberg (arXiv 2402.11609): ship what makes a primary
metric better, makes none worse, and is shown not to harm any guardrail by as much as matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto

from ab_pipeline.experiments.declaration import Direction, Metric, MetricRole
from ab_pipeline.experiments.inference import ALPHA
from ab_pipeline.experiments.result import Gate, MetricResult, Phase, Status, Verdict

FEWEST_DAYS_TO_SHIP = 7
"""A variant that wins is not shipped before it has seen each day of the week."""


class Finding(Enum):
    """What a metric says of a treatment."""

    BETTER = auto()
    WORSE = auto()
    """Of a guardrail: worse, and perhaps by as much as matters."""
    NO_DIFFERENCE = auto()
    """Of a primary metric: none that could be shown."""
    SAFE = auto()
    """Of a guardrail: not worse by as much as matters."""
    NOT_SHOWN_SAFE = auto()
    """Of a guardrail: it may be worse by as much as matters, or not worse at all."""
    NO_NUMBER = auto()


def primary_finding(metric: Metric, row: MetricResult) -> Finding:
    """By the p-value that is adjusted for all primary metrics and treatments."""
    if row.p_value_adjusted is None or row.absolute_effect is None:
        return Finding.NO_NUMBER
    return {0: Finding.NO_DIFFERENCE, 1: Finding.BETTER, -1: Finding.WORSE}[is_found(metric, row)]


def is_found(metric: Metric, row: MetricResult) -> int:
    """1 for better, -1 for worse, 0 where nothing could be shown: the one rule of words, colours, gates and verdicts.

    By the adjusted p-value; of a guardrail, which is not adjusted, by the p-value itself.
    """
    p_value = row.p_value if metric.role == MetricRole.GUARDRAIL else row.p_value_adjusted
    if p_value is None or p_value >= ALPHA or not row.absolute_effect:
        return 0
    return 1 if _towards(metric, row.absolute_effect) > 0 else -1


def guardrail_finding(metric: Metric, row: MetricResult, *, is_harmless: bool) -> Finding:
    """By the test of the margin; hurt is what is worse and not shown to be harmless. All guardrails have to be safe, so
    none is adjusted for the others.
    """
    if is_harmless:
        return Finding.SAFE
    if row.p_value is None or row.absolute_effect is None:
        return Finding.NO_NUMBER
    return Finding.WORSE if is_found(metric, row) < 0 else Finding.NOT_SHOWN_SAFE


def treatment_verdict(primary: Iterable[Finding], guardrails: Iterable[Finding], phase: Phase) -> Verdict:
    """Of one treatment, when every gate is passed. Guardrails alone ask whether it is not worse: holding is winning."""
    primary, guardrails = set(primary), set(guardrails)
    if Finding.WORSE in primary | guardrails:
        return Verdict.DO_NOT_SHIP
    is_better = Finding.BETTER in primary or (not primary and bool(guardrails))
    is_won = is_better and guardrails <= {Finding.SAFE}
    if is_won and has_seen_a_week(phase):
        return Verdict.SHIP
    if not phase.is_over:
        return Verdict.KEEP_RUNNING
    is_unknown = (
        is_won or (not is_better and primary <= {Finding.NO_NUMBER}) or (is_better and Finding.NO_NUMBER in guardrails)
    )
    return Verdict.DO_NOT_DECIDE if is_unknown else Verdict.DO_NOT_SHIP


def has_seen_a_week(phase: Phase) -> bool:
    """From the first user on; where nobody knows the days of users, from the start, and at the end it is believed."""
    if phase.days_with_users is None:
        return phase.is_over or phase.days >= FEWEST_DAYS_TO_SHIP
    return phase.days_with_users >= FEWEST_DAYS_TO_SHIP


def experiment_verdict(treatments: Sequence[Verdict], gates: Iterable[Gate]) -> Verdict:
    """Of all treatments together: one that ships is enough, and so is one that may still win."""
    if not treatments or any(gate.status == Status.FAIL for gate in gates):
        return Verdict.DO_NOT_DECIDE
    for verdict in (Verdict.SHIP, Verdict.KEEP_RUNNING, Verdict.DO_NOT_DECIDE):
        if verdict in treatments:
            return verdict
    return Verdict.DO_NOT_SHIP


def _towards(metric: Metric, effect: float) -> float:
    """Above zero is better, whatever the metric's direction."""
    return effect if metric.direction == Direction.INCREASE else -effect
