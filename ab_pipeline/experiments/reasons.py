"""The sentences that say why, for people who were not there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from ab_pipeline.experiments.declaration import MetricRole
from ab_pipeline.experiments.inference import ALPHA
from ab_pipeline.experiments.judgement import JudgedMetric, Judgement
from ab_pipeline.experiments.moments import ALL_USERS
from ab_pipeline.experiments.result import Gate, Method, MetricResult, Status, Verdict
from ab_pipeline.experiments.results import always_valid_rows, decisive
from ab_pipeline.experiments.verdict import Finding, has_seen_a_week, is_found
from ab_pipeline.experiments.words import GATES, METHODS, STATUSES

_NEVER = 1000
"""Days. More is a number without a meaning."""
_WORDS = {
    (MetricRole.PRIMARY, Finding.BETTER): "better than the control",
    (MetricRole.PRIMARY, Finding.WORSE): "worse than the control",
    (MetricRole.PRIMARY, Finding.NO_DIFFERENCE): "no difference could be shown",
    (MetricRole.GUARDRAIL, Finding.SAFE): "the guardrail holds",
    (MetricRole.GUARDRAIL, Finding.WORSE): "the guardrail is hurt",
    (MetricRole.GUARDRAIL, Finding.NOT_SHOWN_SAFE): "the guardrail is not shown to hold",
}


def reasons(judgement: Judgement, results: Sequence[MetricResult]) -> Iterator[str]:
    """All of them, the decisive first."""
    verdict = judgement.verdict
    yield from _gates(judgement.gates, Status.FAIL)
    yield from _nothing_to_compare(judgement)
    if judgement.experiment.is_aa and verdict == Verdict.DO_NOT_SHIP:
        yield "It is an A/A experiment: there is nothing to ship."
    for treatment in sorted(judgement.treatments, key=lambda one: one.verdict != verdict):
        yield from map(_metric, treatment.metrics)
    yield from _early(judgement)
    yield from _contradictions(judgement, results)
    yield from _when(judgement)
    yield from _gates(judgement.gates, Status.WARN)
    if judgement.unknown_skewness:
        places = ", ".join(judgement.unknown_skewness[:3])
        more = f" and {len(judgement.unknown_skewness) - 3} more" if len(judgement.unknown_skewness) > 3 else ""
        yield f"Not checked: whether a few users weigh too much in {places}{more}. Its sums have no third powers."
    # from the planned end on nobody needs to peek
    rows = (row for row in results if row.method != Method.ALWAYS_VALID or not judgement.phase.is_over)
    yield from _missing_numbers(rows)


def effect_text(row: MetricResult) -> str:
    """`+12.1 % (95 % interval +6.0 % to +18.6 %)`, or in the metric's own unit where there is no relative effect."""
    numbers = row.relative_effect, row.relative_ci_low, row.relative_ci_high
    if None in numbers:
        numbers = row.absolute_effect, row.absolute_ci_low, row.absolute_ci_high
        effect, low, high = (f"{number or 0.0:+.4g}" for number in numbers)
    else:
        effect, low, high = (f"{100 * (number or 0.0):+.1f} %" for number in numbers)
    return f"{effect} (95 % interval {low} to {high})"


def _gates(gates: Iterable[Gate], status: Status) -> Iterator[str]:
    for gate in gates:
        if gate.status == status:
            yield f'Gate "{GATES[gate.name]}" {STATUSES[status]}: {gate.detail}.'


def _nothing_to_compare(judgement: Judgement) -> Iterator[str]:
    experiment = judgement.experiment
    if experiment.control is None:
        yield "No variant is declared as the control, so there is nothing to compare with."
    elif not experiment.treatments:
        yield "There is only one variant, so there is nothing to compare."
    elif not judgement.treatments[0].metrics:
        yield "No primary metric and no guardrail is declared, so nothing decides."
    elif not any(one.metric.role == MetricRole.PRIMARY for one in judgement.treatments[0].metrics):
        yield "There are guardrails alone: what is asked is whether it is not worse."


def _metric(judged: JudgedMetric) -> str:
    metric, row, finding = judged.metric, judged.row, judged.finding
    subject = f"{metric.metric_id} of {row.variant_id}"
    if finding == Finding.NO_NUMBER:
        return f"{subject}: no number, since {row.reason or 'there is none'}."
    if row.p_value is None:
        return f"{subject}: none in either variant, the guardrail holds."
    matters = f"{100 * metric.minimum_effect:.3g} %"
    more = ""
    if metric.role == MetricRole.GUARDRAIL:
        more = f", which allows {matters}"
    elif judged.crossing:
        more = f": found on day {judged.crossing.day}, {judged.crossing.on}, and not taken back by later days"
    elif finding == Finding.NO_DIFFERENCE and row.p_value is not None and row.p_value < ALPHA:
        more = " once all primary comparisons are counted"
    elif _is_negligible(judged):
        more = f", and if there is one it is below the {matters} that matter"
    return f"{subject}: {effect_text(row)}, {_WORDS[metric.role, finding]}{more}."


def _early(judgement: Judgement) -> Iterator[str]:
    """Who stops at the first look that finds it has stopped at a lucky one."""
    if judgement.verdict != Verdict.SHIP or judgement.phase.decides_by_plan:
        return
    for belief in judgement.beliefs:
        if belief.variant_id == judgement.winner:
            yield (
                f"{belief.metric_id} of {belief.variant_id}: an effect that is found early is overstated."
                f" Shrunk towards none it is about {100 * belief.shrunk_effect:+.1f} %."
            )
            return


def _contradictions(judgement: Judgement, results: Sequence[MetricResult]) -> Iterator[str]:
    """What a reader should know before shipping: secondary metrics that got worse, and effects that the cap turns."""
    deciding = decisive(results) if judgement.phase.decides_by_plan else always_valid_rows(results)
    for metric in judgement.secondary:
        for (metric_id, variant_id), row in deciding.items():
            if metric_id == metric.metric_id and is_found(metric, row) < 0:
                yield (
                    f"{metric_id} of {variant_id}: {effect_text(row)}, worse than the control. It is a secondary"
                    " metric, which decides nothing: know why before you ship."
                )
    by_method = {(row.metric_id, row.variant_id, row.method): row for row in results if row.segment == ALL_USERS}
    for (metric_id, variant_id, method), cut in by_method.items():
        raw = by_method.get((metric_id, variant_id, Method.WELCH))
        if method != Method.WINSORIZED or raw is None or metric_id in {one.metric_id for one in judgement.secondary}:
            continue
        effects, p_values = (raw.absolute_effect, cut.absolute_effect), (raw.p_value, cut.p_value)
        is_turned = None not in effects and (effects[0] or 0.0) * (effects[1] or 0.0) < 0
        if is_turned and any(p_value is not None and p_value < ALPHA for p_value in p_values):
            told = " and ".join(f"{_change(row)} {what}" for row, what in ((raw, "as it is"), (cut, "cut at the cap")))
            yield f"{metric_id} of {variant_id}: {told}. The users above the cap go the other way: look at them."


def _change(row: MetricResult) -> str:
    if row.mean_control and row.mean_control > 0:
        return f"{100 * (row.absolute_effect or 0.0) / row.mean_control:+.1f} %"
    return f"{row.absolute_effect or 0.0:+.4g}"


def _is_negligible(judged: JudgedMetric) -> bool:
    ends = judged.row.relative_ci_low, judged.row.relative_ci_high
    small = all(end is not None and abs(end) < judged.metric.minimum_effect for end in ends)
    return judged.finding == Finding.NO_DIFFERENCE and small


def _when(judgement: Judgement) -> Iterator[str]:
    """When to look again, and whether that will be soon enough."""
    experiment, phase = judgement.experiment, judgement.phase
    longest = max((one.days_needed or 0 for one in judgement.precision), default=0)
    planned = (experiment.end_date - experiment.start_date).days + 1
    is_won = any(Finding.BETTER in {one.finding for one in treatment.metrics} for treatment in judgement.treatments)
    if is_won and not has_seen_a_week(phase):
        yield f"Not each day of the week was seen yet: users came on {_days(phase.days_with_users or phase.days)}."
    if phase.is_over and phase.has_moved_end:
        yield "The end was moved, so that only what is always valid decides: the planned test is for the first end."
    if judgement.verdict == Verdict.KEEP_RUNNING:
        if phase.days < 1:
            yield f"It starts on {experiment.start_date}."
        yield f"Keep it running until about {experiment.end_date}, its planned end."
        if longest > planned - phase.days:
            yield f"At this rate the planned effect takes {_days(longest)} more: {_too_long(longest)}."
    judged = [one for treatment in judgement.treatments for one in treatment.metrics]
    is_settled = any(one.finding == Finding.WORSE or _is_negligible(one) for one in judged)
    if judgement.verdict == Verdict.DO_NOT_SHIP and longest and not is_settled and not experiment.is_aa:
        yield f"To find the planned effect it would have to run {_days(longest)} more."


def _missing_numbers(rows: Iterable[MetricResult]) -> Iterator[str]:
    """One sentence a cause, with the first places where it struck."""
    causes: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.reason and row.p_value is None:
            where = "" if row.segment == ALL_USERS else f" in {row.segment}"
            causes[row.reason].append(f"{row.metric_id} of {row.variant_id} ({METHODS[row.method]}){where}")
    for cause, places in causes.items():
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        yield f"No number for {', '.join(places[:3])}{more}: {cause}."


def _too_long(days: int) -> str:
    return "hardly anybody new comes" if days > _NEVER else "plan for a later end"


def _days(days: int) -> str:
    return f"{days:,} day{'' if days == 1 else 's'}" if days <= _NEVER else "years"
