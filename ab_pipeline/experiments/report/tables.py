"""The rows of the page's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from ab_pipeline.experiments.declaration import Experiment, Metric, MetricRole
from ab_pipeline.experiments.moments import ALL_USERS
from ab_pipeline.experiments.report.forest import Forest, tone
from ab_pipeline.experiments.result import Method, MetricResult, Readout
from ab_pipeline.experiments.results import always_valid_rows, decisive, dimension


@dataclass(frozen=True)
class EffectRow:
    """A result with its strip of the forest plot."""

    metric: Metric
    result: MetricResult
    strip: Markup
    tone: str


@dataclass(frozen=True)
class EffectTable:
    """Rows on one scale."""

    rows: tuple[EffectRow, ...]
    axis: Markup


@dataclass(frozen=True)
class SegmentTable:
    """The segments of a dimension for one metric and treatment."""

    name: str
    metric: Metric
    variant_id: str
    effects: EffectTable
    interaction: MetricResult | None


@dataclass(frozen=True)
class Tables:
    """Of one experiment."""

    experiment: Experiment
    metrics: Sequence[Metric]
    readout: Readout

    @cached_property
    def by_id(self) -> dict[str, Metric]:
        """Primary metrics first, then guardrails."""
        order = [MetricRole.PRIMARY, MetricRole.GUARDRAIL, MetricRole.SECONDARY]
        return {m.metric_id: m for m in sorted(self.metrics, key=lambda metric: order.index(metric.role))}

    @property
    def is_over(self) -> bool:
        """Whether the planned test decides."""
        return self.readout.phase.decides_by_plan

    @cached_property
    def deciding(self) -> EffectTable:
        """What the verdict rests on, and the secondary metrics beside it."""
        rows = (decisive if self.is_over else always_valid_rows)(self.readout.results)
        return self._effects([rows[key] for key in self._keys() if key in rows])

    def first(self) -> EffectRow | None:
        """The primary metric of the winner, or of the first treatment."""
        wanted = self.readout.winner
        rows = [row for row in self.deciding.rows if row.metric.role == MetricRole.PRIMARY]
        return next((row for row in rows if row.result.variant_id == wanted), rows[0] if rows else None)

    def methods_of_all_users(self) -> list[MetricResult]:
        """Raw, capped, adjusted and always valid, metric by metric."""
        rows = [row for row in self.readout.results if row.segment == ALL_USERS]
        order = {key: index for index, key in enumerate(self._keys())}
        return sorted(rows, key=lambda row: order.get((row.metric_id, row.variant_id), len(order)))

    def segments(self) -> list[SegmentTable]:
        """Of the primary metrics, by dimension."""
        found: list[SegmentTable] = []
        for metric_id, variant_id in self._keys():
            metric = self.by_id[metric_id]
            if metric.role != MetricRole.PRIMARY:
                continue
            rows = [r for r in self.readout.results if (r.metric_id, r.variant_id) == (metric_id, variant_id)]
            for name in dict.fromkeys(dimension(row.segment) for row in rows if row.segment != ALL_USERS):
                mine = [row for row in rows if dimension(row.segment) == name]
                interaction = next((row for row in mine if row.method == Method.INTERACTION), None)
                effects = self._effects([row for row in mine if row.method != Method.INTERACTION], ticks=2)
                found.append(SegmentTable(name, metric, variant_id, effects, interaction))
        return found

    def name_of(self, row: EffectRow) -> str:
        """Of a row of the table of effects."""
        variant = f", {row.result.variant_id}" if len(self.experiment.treatments) > 1 else ""
        return f"{row.metric.metric_id}{variant} ({row.metric.role})"

    def segment_of(self, row: EffectRow) -> str:
        """Of a row of a table of segments."""
        return row.result.segment.partition(":")[2]

    def _keys(self) -> list[tuple[str, str]]:
        return [(metric_id, variant.variant_id) for metric_id in self.by_id for variant in self.experiment.treatments]

    def _effects(self, results: Sequence[MetricResult], ticks: int = 4) -> EffectTable:
        pairs = [(self.by_id[result.metric_id], result) for result in results]
        forest = Forest.of(results, [metric.minimum_effect for metric, _ in pairs])
        rows = (EffectRow(metric, result, forest.row(metric, result), tone(metric, result)) for metric, result in pairs)
        return EffectTable(tuple(rows), forest.axis(ticks))
