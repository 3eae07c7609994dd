"""What a row of the results is about, and how its numbers come about."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from ab_pipeline.experiments.declaration import Direction, Metric, MetricKind, MetricRole
from ab_pipeline.experiments.few_events import FewEvents, few_events
from ab_pipeline.experiments.inference import Comparison, Inference, always_valid, few_events_test, planned_test
from ab_pipeline.experiments.moments import Moments
from ab_pipeline.experiments.normality import refuse_skewed, refuse_skewed_ratio, users_for
from ab_pipeline.experiments.result import Method, MetricResult
from ab_pipeline.experiments.samples import NoNumberError, adjusted_samples, denominator_samples, raw_samples


@dataclass(frozen=True)
class Subject:
    """A metric of a treatment and the control, in a segment."""

    metric: Metric
    variant_id: str
    control_id: str
    segment: str
    has_pre_period: bool
    raw: tuple[Moments, Moments]
    """Of the control and the treatment."""
    capped: tuple[Moments, Moments] | None
    """The same of totals cut at the metric's cap."""

    @property
    def methods(self) -> tuple[Method, ...]:
        """Those that apply, the decisive last. The declaration settles it, not what they find."""
        plain = Method.DELTA if self._is_ratio else Method.WELCH
        cut = (Method.WINSORIZED,) if self.capped else ()
        adjusted = (Method.CUPED,) if self.has_pre_period else ()
        return (plain, *cut, *adjusted)

    @property
    def _is_ratio(self) -> bool:
        return self.metric.kind == MetricKind.RATIO

    @property
    def _harm(self) -> float | None:
        """Of a guardrail, the multiple of the control's mean that has to be ruled out."""
        if self.metric.role != MetricRole.GUARDRAIL:
            return None
        is_up = self.metric.direction == Direction.INCREASE
        return 1 - self.metric.minimum_effect if is_up else 1 + self.metric.minimum_effect

    @cached_property
    def few_events(self) -> FewEvents | None:
        """The tallies, where there are too few events for anything else."""
        return few_events(*self.raw, self.metric.kind)

    def comparison(self, method: Method) -> Comparison:
        """By a method other than the always-valid one.

        Raises:
            NoNumberError: the numbers do not exist.
        """
        samples = adjusted_samples if method == Method.CUPED else raw_samples
        cut = self.capped if method in (Method.CUPED, Method.WINSORIZED) else None
        return Comparison(*samples(*(cut or self.raw), is_ratio=self._is_ratio))

    @cached_property
    def best_comparison(self) -> tuple[Method, Comparison]:
        """By the decisive method, or the one before it where that has no number. The row and the interaction need it.

        Raises:
            NoNumberError: none has.
        """
        plain, *others = self.methods
        for method in reversed([] if self.few_events else others):
            try:
                comparison = self.comparison(method)
                self._planned(method, comparison)
            except NoNumberError:
                continue
            return method, comparison
        return plain, self.comparison(plain)

    def row(self, method: Method) -> MetricResult:
        """The planned test by one method."""
        return self._row(method, lambda: self.comparison(method), lambda found: self._planned(method, found))

    def best_row(self) -> MetricResult:
        """The planned test by the decisive method."""
        try:
            method, _ = self.best_comparison
        except NoNumberError:
            method = self.methods[0]
        return self.row(method)

    def always_valid_row(self) -> MetricResult:
        """The sequence around the decisive comparison."""
        return self._row(Method.ALWAYS_VALID, lambda: self.best_comparison[1], self._sequence)

    def is_harmless(self, *, by_plan: bool) -> bool:
        """Whether it is shown that the metric is not worse by as much as matters; none against none is not worse."""
        try:
            method, comparison = self.best_comparison
            return (self._planned(method, comparison) if by_plan else self._sequence(comparison)).clears_harm
        except NoNumberError:
            return all(moments.users and not moments.y and not moments.yy for moments in self.raw)

    @property
    def is_skewness_unknown(self) -> bool:
        """Whether it would have to be looked at, and there are no sums for it."""
        users = self.raw[0].users, self.raw[1].users
        matters = self._follows_skewness and users_for(1.0, users, is_ratio=self._is_ratio) > 1 and min(users) > 1
        return matters and any(moments.yyy is None for moments in self.raw)

    def empty_row(self, method: Method) -> MetricResult:
        """A row that has users and no numbers."""
        n_control, n_treatment = (moments.users for moments in self.raw)
        ids = (self.metric.metric_id, self.variant_id, self.control_id, self.segment)
        return MetricResult(*ids, method, n_control, n_treatment, *[None] * 10)

    def _planned(self, method: Method, comparison: Comparison) -> Inference:
        if self.few_events and method in (Method.WINSORIZED, Method.CUPED):
            raise NoNumberError("there are too few events to adjust or to cut")
        if self.few_events:
            return few_events_test(self.few_events, self._harm)
        self._refuse_skewed(comparison)
        return planned_test(comparison, self._harm)

    def _sequence(self, comparison: Comparison) -> Inference:
        if self.few_events:
            raise NoNumberError(
                f"too few events to peek: the smaller variant expects {self.few_events.expected:,.0f},"
                f" and about {math.ceil(self.few_events.needed):,} are needed"
            )
        self._refuse_skewed(comparison)
        return always_valid(comparison, self.metric.minimum_effect, self._harm)

    @property
    def _follows_skewness(self) -> bool:
        """Proportions and counts follow their events."""
        return self.metric.kind in (MetricKind.MEAN, MetricKind.RATIO)

    def _refuse_skewed(self, comparison: Comparison) -> None:
        samples = comparison.control, comparison.treatment
        if self._is_ratio:
            refuse_skewed_ratio(samples, denominator_samples(*self.raw))
        elif self._follows_skewness:
            refuse_skewed(*samples)

    def _row(
        self, method: Method, compare: Callable[[], Comparison], infer: Callable[[Comparison], Inference]
    ) -> MetricResult:
        row = self.empty_row(method)
        try:
            comparison = compare()
            control, treatment = comparison.control.mean, comparison.treatment.mean
            row = replace(row, mean_control=control, mean_treatment=treatment, absolute_effect=treatment - control)
            inference = infer(comparison)
        except NoNumberError as error:
            return replace(row, reason=str(error))
        effect, low, high = inference.absolute
        relative, relative_low, relative_high = inference.relative or (None, None, None)
        return replace(
            row,
            absolute_effect=effect,
            absolute_ci_low=low,
            absolute_ci_high=high,
            relative_effect=relative,
            relative_ci_low=relative_low,
            relative_ci_high=relative_high,
            p_value=inference.p_value,
            reason=None if inference.relative else "no relative effect: the control's mean has to be well above zero",
        )
