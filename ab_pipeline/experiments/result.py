"""What a read-out says, as values. The fields of its public part are a contract: `readout.schema.json`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What to do."""

    SHIP = "ship"
    DO_NOT_SHIP = "do not ship"
    KEEP_RUNNING = "keep running"
    DO_NOT_DECIDE = "do not decide"


class Status(StrEnum):
    """How a gate stands. Only `fail` keeps an experiment from being decided."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"
    """What it asks for is not there, such as days of assignment."""


class Method(StrEnum):
    """How a row's numbers were computed."""

    WELCH = "welch"
    """Means of raw totals: counts and means, and the share of users of a proportion."""
    DELTA = "delta"
    """Ratios of sums, their variance by the delta method."""
    WINSORIZED = "winsorized"
    """As the first two, of totals cut at the metric's cap."""
    CUPED = "cuped"
    """Adjusted by the users' pre-period, and cut at the cap where there is one."""
    ALWAYS_VALID = "always_valid"
    """The decisive one of the above, with an interval that stays valid however often it is looked at."""
    INTERACTION = "interaction"
    """Whether the effect differs between the segments of a dimension, which `segment` names. No effect, a p-value."""


@dataclass(frozen=True)
class MetricResult:
    """A treatment against the control. A number that does not exist is None, and `reason` says why."""

    metric_id: str
    variant_id: str
    control_id: str
    segment: str
    method: Method
    n_control: int
    n_treatment: int
    mean_control: float | None
    mean_treatment: float | None
    absolute_effect: float | None
    absolute_ci_low: float | None
    absolute_ci_high: float | None
    relative_effect: float | None
    relative_ci_low: float | None
    relative_ci_high: float | None
    p_value: float | None
    p_value_adjusted: float | None
    """Holm's in the primary family, Benjamini and Hochberg's elsewhere."""
    reason: str | None = None
    """Not in the JSON, where the read-out's own `reasons` say it."""


@dataclass(frozen=True)
class Phase:
    """How far an experiment is."""

    days: int
    """Since its start, with the day of the read-out; zero or less before it."""
    is_over: bool
    """The last day is complete: no day is to come."""
    days_with_users: int | None = None
    """Since its first user; None where nobody knows the days of users."""
    has_moved_end: bool = False
    """Its end is not the one that was planned first."""

    @property
    def decides_by_plan(self) -> bool:
        """The planned test decides, at the one look that was planned. Otherwise only what is always valid does."""
        return self.is_over and not self.has_moved_end


@dataclass(frozen=True)
class Gate:
    """One question to the data that has to be answered before the experiment's."""

    name: str
    status: Status
    p_value: float | None
    """Of gates that are tests; None of those that compare a share with a limit."""
    detail: str


@dataclass(frozen=True)
class Precision:
    """What a primary metric or guardrail can show by now, and when it can show what was planned."""

    metric_id: str
    variant_id: str
    minimum_effect: float
    """Relative, as planned."""
    detectable_effect: float | None
    """Relative: what would be found now, so that the whole verdict has 80 % power."""
    users_needed: int | None
    """In control and treatment together, for the planned effect."""
    days_needed: int | None
    """At the rate of the last week; 0 when there are enough. None when nobody arrives, or the days are not known."""


@dataclass(frozen=True)
class Belief:
    """What to think of a primary metric if effects are usually about as large as the smallest that matters."""

    metric_id: str
    variant_id: str
    shrunk_effect: float
    """Relative."""
    chance_to_win: float
    """That the treatment is better than the control."""
    expected_loss: float
    """Relative: what shipping costs where it is worse, times the chance of it."""


@dataclass(frozen=True)
class Readout:
    """The answer for one experiment as of one day."""

    experiment_id: str
    as_of: dt.date
    verdict: Verdict
    reasons: tuple[str, ...]
    """Sentences, the decisive first."""
    gates: tuple[Gate, ...]
    results: tuple[MetricResult, ...]
    winner: str | None = None
    """The variant to ship."""
    precision: tuple[Precision, ...] = ()
    phase: Phase = Phase(0, is_over=True)
    beliefs: tuple[Belief, ...] = ()
