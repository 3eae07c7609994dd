"""What a row of the results is about, and how its numbers come about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from ab_pipeline.experiments.declaration import Metric, MetricKind
from ab_pipeline.experiments.inference import Comparison, Inference, always_valid, planned_test
from ab_pipeline.experiments.moments import Moments
from ab_pipeline.experiments.result import Method, MetricResult
from ab_pipeline.experiments.samples import NoNumberError, adjusted_samples, raw_samples


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
        for method in reversed(others):
            try:
                return method, self.comparison(method)
            except NoNumberError:
                continue
        return plain, self.comparison(plain)

    def row(self, method: Method) -> MetricResult:
        """The planned test by one method."""
        return self._row(method, lambda: _tested(self.comparison(method)))

    def best_row(self) -> MetricResult:
        """The planned test by the decisive method."""
        try:
            method, comparison = self.best_comparison
        except NoNumberError:
            return self.row(self.methods[0])
        return self._row(method, lambda: _tested(comparison))

    def always_valid_row(self) -> MetricResult:
        """The sequence around the decisive comparison."""

        def sequence() -> tuple[Comparison, Inference]:
            _, comparison = self.best_comparison
            return comparison, always_valid(comparison, self.metric.minimum_effect)

        return self._row(Method.ALWAYS_VALID, sequence)

    def empty_row(self, method: Method) -> MetricResult:
        """A row that has users and no numbers."""
        n_control, n_treatment = (moments.users for moments in self.raw)
        ids = (self.metric.metric_id, self.variant_id, self.control_id, self.segment)
        return MetricResult(*ids, method, n_control, n_treatment, *[None] * 10)

    def _row(self, method: Method, infer: Callable[[], tuple[Comparison, Inference]]) -> MetricResult:
        try:
            comparison, inference = infer()
        except NoNumberError as error:
            return replace(self.empty_row(method), reason=str(error))
        effect, low, high = inference.absolute
        relative, relative_low, relative_high = inference.relative or (None, None, None)
        return replace(
            self.empty_row(method),
            mean_control=comparison.control.mean,
            mean_treatment=comparison.treatment.mean,
            absolute_effect=effect,
            absolute_ci_low=low,
            absolute_ci_high=high,
            relative_effect=relative,
            relative_ci_low=relative_low,
            relative_ci_high=relative_high,
            p_value=inference.p_value,
            reason=None if inference.relative else "no relative effect: both means have to be well above zero",
        )


def _tested(comparison: Comparison) -> tuple[Comparison, Inference]:
    return comparison, planned_test(comparison)
