"""Effects with their intervals, against zero and the smallest effect that matters, on one common scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ab_pipeline.experiments.declaration import Metric
from ab_pipeline.experiments.report.scale import Scale, domain
from ab_pipeline.experiments.report.svg import element, picture
from ab_pipeline.experiments.report.wording import change, signed_tick
from ab_pipeline.experiments.result import MetricResult
from ab_pipeline.experiments.verdict import is_found

_WIDEST = 1.0
"""A relative effect beyond +-100 % is drawn to the edge; one wild interval must not flatten the others."""


@dataclass(frozen=True)
class Forest:
    """The common scale of some rows, in per cent of the width."""

    scale: Scale

    @classmethod
    def of(cls, rows: Sequence[MetricResult], minimum_effects: Sequence[float]) -> Forest:
        """Wide enough for all of them, and for zero."""
        ends = [end for row in rows for end in (row.relative_ci_low, row.relative_ci_high) if end is not None]
        reach = [max(-_WIDEST, min(_WIDEST, end)) for end in ends]
        around = [sign * effect for effect in minimum_effects for sign in (-1.2, 1.2)]
        return cls(Scale(*domain([0.0, *reach, *around], padding=0.03), 0.0, 100.0))

    def row(self, metric: Metric, row: MetricResult) -> Markup:
        """A strip of any width, for a cell of a table: the numbers stand beside it as text."""
        effect, low, high = row.relative_effect, row.relative_ci_low, row.relative_ci_high
        margin = metric.minimum_effect
        marks = [
            element(
                "rect", x=_at(self, -margin), width=_at(self, margin, -margin), y=0, height="100%", class_="matters"
            ),
            element("line", x1=_at(self, 0.0), x2=_at(self, 0.0), y1=0, y2="100%", class_="zero"),
        ]
        if effect is not None and low is not None and high is not None:
            class_ = tone(metric, row)
            marks += [
                element("line", x1=_at(self, low), x2=_at(self, high), y1="50%", y2="50%", class_=f"interval {class_}"),
                element("circle", cx=_at(self, effect), cy="50%", r=4.5, class_=class_),
            ]
        return element("svg", marks, class_="strip", aria_hidden="true", focusable="false")

    def axis(self, ticks: int) -> Markup:
        """About so many ticks below the strips."""
        labels = [
            element("text", signed_tick(tick), x=f"{self.scale(tick):g}%", y=12, text_anchor="middle")
            for tick in self.scale.ticks(ticks)
            if 8 < self.scale(tick) < 92
        ]
        return element("svg", labels, class_="strip axis", aria_hidden="true", focusable="false")


def tone(metric: Metric, row: MetricResult) -> str:
    """Good or bad by the rule that words and gates follow, calm where nothing could be shown."""
    return {1: "good", -1: "bad", 0: "calm"}[is_found(metric, row)]


def forest_picture(title: str, rows: Sequence[tuple[Metric, MetricResult]]) -> Markup:
    """The same as one drawing, for places where there is no table."""
    forest = Forest.of([row for _, row in rows], [metric.minimum_effect for metric, _ in rows])
    place = Scale(0.0, 100.0, 240.0, 560.0)
    height = 30.0 * len(rows) + 24
    zero = place(forest.scale(0.0))
    marks = [element("line", x1=zero, x2=zero, y1=4, y2=height - 20, class_="zero")]
    for index, (metric, row) in enumerate(rows):
        y = 20 + 30 * index
        marks.append(element("text", f"{metric.metric_id} · {row.variant_id}", x=8, y=y + 4, class_="strong"))
        effect, low, high = row.relative_effect, row.relative_ci_low, row.relative_ci_high
        if effect is None or low is None or high is None:
            continue
        class_ = tone(metric, row)
        ends = [place(max(0.0, min(100.0, forest.scale(end)))) for end in (low, high, effect)]
        marks += [
            element("line", x1=ends[0], x2=ends[1], y1=y, y2=y, class_=class_, stroke_width=3),
            element("circle", cx=ends[2], cy=y, r=5, class_=class_),
            element("text", f"{change(effect)} ({change(low)} to {change(high)})", x=572, y=y + 4),
        ]
    for tick in forest.scale.ticks(4):
        marks.append(
            element("text", signed_tick(tick), x=place(forest.scale(tick)), y=height - 6, text_anchor="middle")
        )
    return picture(740, height, title, marks)


def _at(forest: Forest, value: float, since: float | None = None) -> str:
    start = 0.0 if since is None else forest.scale(since)
    return f"{max(-1.0, min(101.0, forest.scale(value))) - start:.2f}%"
