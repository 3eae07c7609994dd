"""Gates that ask whether there is a difference where there can be none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ab_pipeline.experiments.declaration import Direction, Experiment, Metric
from ab_pipeline.experiments.inference import planned_test
from ab_pipeline.experiments.moments import ALL_USERS, Moments
from ab_pipeline.experiments.multiplicity import holm
from ab_pipeline.experiments.result import Gate, MetricResult, Status
from ab_pipeline.experiments.samples import NoNumberError
from ab_pipeline.experiments.subject import Subject

PRE_PERIOD_ALPHA = 0.001
AA_ALPHA = 0.05


def pre_period_balance(subjects: Iterable[Subject]) -> Gate:
    """Whether the variants were alike before the experiment, in every metric of all users."""
    name = "pre_period_balance"
    p_values: dict[str, float] = {}
    for subject in subjects:
        if subject.segment == ALL_USERS and subject.has_pre_period:
            before = replace(subject, raw=(_before(subject.raw[0]), _before(subject.raw[1])), capped=None)
            try:
                p_value = planned_test(before.comparison(before.methods[0])).p_value
            except NoNumberError:
                continue
            p_values[f"{subject.metric.metric_id} of {subject.variant_id}"] = p_value
    if not p_values:
        return Gate(name, Status.SKIPPED, None, "there is no pre-period to compare")
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    smallest, worst = min((p_value or 0.0, what) for what, p_value in adjusted.items())
    if smallest < PRE_PERIOD_ALPHA:
        return Gate(name, Status.FAIL, smallest, f"{worst} differed from the control's before the experiment began")
    return Gate(name, Status.PASS, smallest, f"alike before the experiment in {len(p_values)} comparisons")


def aa_false_win(experiment: Experiment, deciding: Iterable[tuple[Metric, MetricResult]]) -> Gate:
    """Whether an A/A experiment finds something. By chance one in twenty does; it is worth a look all the same."""
    name = "aa_false_win"
    if not experiment.is_aa:
        return Gate(name, Status.SKIPPED, None, "not an A/A experiment")
    p_values = [(row.p_value_adjusted, metric, row) for metric, row in deciding if row.p_value_adjusted is not None]
    if not p_values:
        return Gate(name, Status.SKIPPED, None, "no metric has a p-value")
    p_value, metric, row = min(p_values, key=lambda found: found[0])
    if p_value >= AA_ALPHA:
        return Gate(name, Status.PASS, p_value, "the arms do not differ, as they should not")
    effect = row.absolute_effect or 0.0
    better = (effect > 0) == (metric.direction == Direction.INCREASE)
    word = "wins" if better else "loses"
    return Gate(
        name, Status.FAIL, p_value, f"{row.variant_id} {word} on {metric.metric_id}, and gets what the control gets"
    )


def _before(moments: Moments) -> Moments:
    """The pre-period in the place of the metric."""
    m = moments
    return replace(m, y=m.x, d=m.z, yy=m.xx, dd=m.zz, yd=m.xz)
