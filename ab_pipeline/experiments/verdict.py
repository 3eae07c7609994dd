"""What to do with an experiment: the table in ARCHITECTURE.md, as functions.

The rule for several metrics follows Schultzberg, Ankargren and Frånberg (arXiv 2402.11609): ship what makes a primary
metric better, makes none worse, and is shown not to harm any guardrail by as much as matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from ab_pipeline.experiments.declaration import Direction, Metric
from ab_pipeline.experiments.inference import ALPHA
from ab_pipeline.experiments.result import Gate, MetricResult, Status, Verdict

FEWEST_DAYS_TO_SHIP = 7
"""A variant that wins early is not shipped before it has seen each day of the week."""


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


@dataclass(frozen=True)
class Phase:
    """How far an experiment is."""

    days: int
    """Since its start, with the day of the read-out; zero or less before it."""
    is_over: bool
    """The planned end is reached: the planned test decides. Before, only what is always valid does."""


def primary_finding(metric: Metric, row: MetricResult) -> Finding:
    """By the p-value that is adjusted for all primary metrics and treatments."""
    if row.p_value_adjusted is None or row.absolute_effect is None:
        return Finding.NO_NUMBER
    if row.p_value_adjusted >= ALPHA:
        return Finding.NO_DIFFERENCE
    return Finding.BETTER if _towards(metric, row.absolute_effect) > 0 else Finding.WORSE


def guardrail_finding(metric: Metric, row: MetricResult, *, is_harmless: bool) -> Finding:
    """By the test of the margin; hurt is what is worse and not shown to be harmless. All guardrails have to be safe, so
    none is adjusted for the others.
    """
    if is_harmless:
        return Finding.SAFE
    if row.p_value is None or row.absolute_effect is None:
        return Finding.NO_NUMBER
    is_worse = row.p_value < ALPHA and _towards(metric, row.absolute_effect) < 0
    return Finding.WORSE if is_worse else Finding.NOT_SHOWN_SAFE


def treatment_verdict(primary: Iterable[Finding], guardrails: Iterable[Finding], phase: Phase) -> Verdict:
    """Of one treatment, when every gate is passed."""
    primary, guardrails = set(primary), set(guardrails)
    if Finding.WORSE in primary | guardrails:
        return Verdict.DO_NOT_SHIP
    is_won = Finding.BETTER in primary and guardrails <= {Finding.SAFE}
    if is_won and (phase.is_over or phase.days >= FEWEST_DAYS_TO_SHIP):
        return Verdict.SHIP
    if not phase.is_over:
        return Verdict.KEEP_RUNNING
    is_unknown = primary <= {Finding.NO_NUMBER} or (Finding.BETTER in primary and Finding.NO_NUMBER in guardrails)
    return Verdict.DO_NOT_DECIDE if is_unknown else Verdict.DO_NOT_SHIP


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
