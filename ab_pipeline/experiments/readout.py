"""From the sums of an experiment to its answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ab_pipeline.experiments.belief import belief_of
from ab_pipeline.experiments.course import NOTHING_KNOWN, Course
from ab_pipeline.experiments.crossing import crossings_of
from ab_pipeline.experiments.declaration import Experiment, Metric, MetricRole
from ab_pipeline.experiments.evidence import Evidence
from ab_pipeline.experiments.gates.balance import aa_false_win, pre_period_balance
from ab_pipeline.experiments.gates.declared import declared, whole_weeks
from ab_pipeline.experiments.gates.sample_ratio import (
    receives_users,
    sample_ratio,
    sample_ratio_by_day,
    sample_ratio_by_segment,
)
from ab_pipeline.experiments.gates.shares import missing_metadata, reconciles, several_variants
from ab_pipeline.experiments.judgement import DecidingRows, Judgement, judge_treatment, phase_of
from ab_pipeline.experiments.moments import ALL_USERS, Cell
from ab_pipeline.experiments.precision import family_of, precision_of
from ab_pipeline.experiments.reasons import reasons
from ab_pipeline.experiments.result import Gate, Readout
from ab_pipeline.experiments.results import always_valid_rows, decisive, metric_results, subjects_of
from ab_pipeline.experiments.subject import Subject


def read_out(
    experiment: Experiment,
    metrics: Sequence[Metric],
    cells: Sequence[Cell],
    evidence: Evidence,
    as_of: dt.date,
    *,
    course: Course = NOTHING_KNOWN,
) -> Readout:
    """The results, gates and verdict of an experiment, from the cells whose totals are those as of the day.

    Cells of other experiments and days are ignored. A variant or segment without a cell has no users.
    """
    mine = [cell for cell in cells if (cell.experiment_id, cell.as_of) == (experiment.experiment_id, as_of)]
    subjects = list(subjects_of(experiment, metrics, mine))
    results = metric_results(subjects, is_aa=experiment.is_aa)
    phase = phase_of(experiment, as_of, course, evidence.assigned)
    deciding = decisive(results) if phase.decides_by_plan else always_valid_rows(results)
    crossings = {} if phase.decides_by_plan else crossings_of(course, metrics, start=experiment.start_date)
    family = family_of(metrics, len(experiment.treatments))
    harmless = {
        (subject.metric.metric_id, subject.variant_id)
        for subject in subjects
        if subject.segment == ALL_USERS and subject.metric.role == MetricRole.GUARDRAIL
        if subject.is_harmless(by_plan=phase.decides_by_plan)
    }
    compared = experiment.treatments if experiment.control else ()
    judgement = Judgement(
        experiment,
        phase,
        _gates(experiment, subjects, deciding, evidence),
        tuple(
            judge_treatment(variant.variant_id, metrics, deciding, harmless=harmless, crossings=crossings, phase=phase)
            for variant in compared
        ),
        tuple(
            precision_of(subject, evidence.assigned, as_of, family)
            for subject in subjects
            if subject.segment == ALL_USERS and subject.metric.role != MetricRole.SECONDARY
        ),
        tuple(metric for metric in metrics if metric.role == MetricRole.SECONDARY),
        tuple(
            belief
            for subject in subjects
            if subject.segment == ALL_USERS and subject.metric.role == MetricRole.PRIMARY
            if (belief := belief_of(subject))
        ),
        tuple(
            f"{subject.metric.metric_id} of {subject.variant_id}"
            for subject in subjects
            if subject.segment == ALL_USERS and subject.metric.role != MetricRole.SECONDARY
            if subject.is_skewness_unknown
        ),
    )
    return Readout(
        experiment.experiment_id,
        as_of,
        judgement.verdict,
        tuple(reasons(judgement, results)),
        judgement.gates,
        tuple(results),
        judgement.winner,
        judgement.precision,
        phase,
        judgement.beliefs,
    )


def _gates(
    experiment: Experiment, subjects: Sequence[Subject], deciding: DecidingRows, evidence: Evidence
) -> tuple[Gate, ...]:
    variants, assigned = experiment.variants, evidence.assigned
    users = sum(row.users for row in assigned if row.segment == ALL_USERS)
    metrics = {subject.metric.metric_id: subject.metric for subject in subjects}
    found = [(metrics[metric_id], row) for (metric_id, _), row in deciding.items()]
    return (
        declared(experiment),
        whole_weeks(experiment),
        sample_ratio(variants, assigned, is_declared=not experiment.is_inferred),
        sample_ratio_by_segment(variants, assigned),
        sample_ratio_by_day(variants, assigned),
        receives_users(variants, assigned),
        several_variants(evidence.users_in_several_variants, users),
        reconciles(evidence.raw),
        missing_metadata(evidence.users_without_metadata, users),
        pre_period_balance(subjects),
        aa_false_win(experiment, found),
    )
