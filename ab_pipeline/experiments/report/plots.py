"""The charts of an experiment."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from ab_pipeline.experiments.declaration import Experiment, Metric, MetricRole
from ab_pipeline.experiments.report.histogram import histogram
from ab_pipeline.experiments.report.lines import Line, line_chart
from ab_pipeline.experiments.report.wording import change, is_share, number, share, signed_tick, tick
from ab_pipeline.experiments.result import MetricResult, Readout
from ab_pipeline.experiments.results import always_valid_rows
from ab_pipeline.experiments.series import Bin, DayTotals, Series


@dataclass(frozen=True)
class Plot:
    """A chart with the numbers behind it."""

    title: str
    drawing: Markup
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Plots:
    """Of one experiment. A list is empty where there is nothing to plot."""

    experiment: Experiment
    metrics: Sequence[Metric]
    readout: Readout
    series: Series

    @property
    def colours(self) -> dict[str, int]:
        """The control is grey."""
        ids = [variant.variant_id for variant in self.experiment.treatments]
        control = self.experiment.control
        return {
            **({control.variant_id: 0} if control else {}),
            **{one: place for place, one in enumerate(ids, start=1)},
        }

    @property
    def treatment_colours(self) -> dict[str, int]:
        """Those of the effects."""
        return {name: colour for name, colour in self.colours.items() if colour}

    def effects_by_day(self) -> list[Plot]:
        """The always-valid effect of each primary metric and guardrail, as it was seen day by day."""
        by_metric: dict[str, dict[str, list[tuple[dt.date, MetricResult]]]] = defaultdict(lambda: defaultdict(list))
        for look in sorted(self.series.looks, key=lambda look: look.as_of):
            for (metric_id, variant_id), row in always_valid_rows(look.results).items():
                if row.relative_ci_low is not None:
                    by_metric[metric_id][variant_id].append((look.as_of, row))
        return [
            self._effect_by_day(metric, by_metric[metric.metric_id])
            for metric in self._in_order()
            if metric.role != MetricRole.SECONDARY and by_metric[metric.metric_id]
        ]

    def values_by_day(self) -> list[Plot]:
        """Each metric, summed up to the day and on the day alone."""
        found: list[Plot] = []
        for metric in self._in_order():
            days = [one for one in self.series.days if one.metric_id == metric.metric_id]
            if days:
                found.append(self._values(metric, days, "up to the day", _cumulative))
                found.append(self._values(metric, days, "on the day alone", partial(_daily, metric)))
        return found

    def distributions(self) -> list[Plot]:
        """Of the metrics that have bins."""
        found: list[Plot] = []
        for metric in self._in_order():
            bins = [one for one in self.series.bins if one.metric_id == metric.metric_id]
            if any(one.high > 0 for one in bins):
                found.append(self._distribution(metric, bins))
        return found

    def _in_order(self) -> list[Metric]:
        order = [MetricRole.PRIMARY, MetricRole.GUARDRAIL, MetricRole.SECONDARY]
        return sorted(self.metrics, key=lambda metric: order.index(metric.role))

    def _effect_by_day(self, metric: Metric, rows: Mapping[str, list[tuple[dt.date, MetricResult]]]) -> Plot:
        lines = [
            Line(
                variant_id,
                self.colours.get(variant_id, 1),
                [(day, row.relative_effect or 0.0) for day, row in looks],
                [(day, row.relative_ci_low or 0.0, row.relative_ci_high or 0.0) for day, row in looks],
            )
            for variant_id, looks in rows.items()
        ]
        title = f"{metric.metric_id}: effect by day"
        margin = metric.minimum_effect
        drawing = line_chart(
            title,
            lines,
            signed_tick,
            zero=True,
            minimum_effects=(-margin, margin),
            planned_end=None if self.experiment.is_inferred else self.experiment.end_date,
        )
        numbers = [
            (str(day), line.name, *map(change, (effect, low, high)))
            for line in lines
            for (day, effect), (_, low, high) in zip(line.values, line.band, strict=True)
        ]
        note = f"The band is always valid; dashed: {share(margin)} either way, the smallest effect that matters."
        return Plot(title, drawing, ("day", "variant", "effect", "from", "to"), tuple(numbers), note)

    def _values(
        self, metric: Metric, days: Sequence[DayTotals], what: str, values: Callable[[list[DayTotals]], list]
    ) -> Plot:
        lines = [
            Line(variant_id, colour, found)
            for variant_id, colour in self.colours.items()
            if (found := values(sorted((d for d in days if d.variant_id == variant_id), key=lambda one: one.day)))
        ]
        shown = [value for line in lines for _, value in line.values]
        text, mark = (share, share) if is_share(metric, shown) else (number, tick)
        title = f"{metric.metric_id}, {what}"
        numbers = [(str(day), line.name, text(value)) for line in lines for day, value in line.values]
        drawing = line_chart(title, lines, mark) if lines else Markup("")
        return Plot(title, drawing, ("day", "variant", metric.metric_id), tuple(numbers))

    def _distribution(self, metric: Metric, bins: Sequence[Bin]) -> Plot:
        title = f"{metric.metric_id} by user"
        users = {name: sum(one.users for one in bins if one.variant_id == name) for name in self.colours}
        zeros = {name: sum(b.users for b in bins if b.variant_id == name and b.high <= 0) for name in self.colours}
        note = "Without the users at zero: " + ", ".join(
            f"{share(zeros[name] / count)} of {name}" for name, count in users.items() if count
        )
        numbers = [
            (f"{tick(one.low)} to {tick(one.high)}" if one.high > 0 else "0", one.variant_id, f"{one.users:,}")
            for one in bins
        ]
        drawing = histogram(title, bins, self.colours)
        return Plot(title, drawing, ("total", "variant", "users"), tuple(numbers), note + ".")


def _cumulative(days: list[DayTotals]) -> list[tuple[dt.date, float]]:
    numerator = denominator = 0.0
    found: list[tuple[dt.date, float]] = []
    for day in days:
        numerator, denominator = numerator + day.numerator, denominator + day.denominator
        if denominator:
            found.append((day.day, numerator / denominator))
    return found


def _daily(metric: Metric, days: list[DayTotals]) -> list[tuple[dt.date, float]]:
    """A ratio of the day's sums; of other metrics the day's sum over the users assigned by then."""
    users = 0.0
    found: list[tuple[dt.date, float]] = []
    for day in days:
        users += day.denominator
        denominator = day.denominator if metric.denominator else users
        if denominator:
            found.append((day.day, day.numerator / denominator))
    return found
