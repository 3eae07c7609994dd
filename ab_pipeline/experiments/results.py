"""The rows of an experiment: one a metric, treatment, segment and method."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from ab_pipeline.experiments.declaration import Experiment, Metric, MetricRole
from ab_pipeline.experiments.interaction import interaction_p_value
from ab_pipeline.experiments.moments import ALL_USERS, Cell, Moments
from ab_pipeline.experiments.multiplicity import benjamini_hochberg, holm
from ab_pipeline.experiments.result import Method, MetricResult
from ab_pipeline.experiments.samples import NoNumberError
from ab_pipeline.experiments.subject import Subject
from ab_pipeline.experiments.words import METHODS

_NO_USERS = Moments(0, *[0.0] * 14)


def metric_results(subjects: Iterable[Subject], *, is_aa: bool = False) -> list[MetricResult]:
    """Every method for all users; in a segment the decisive one; for each dimension of segments an interaction."""
    rows: list[MetricResult] = []
    roles: dict[str, MetricRole] = {}
    by_dimension = groupby(subjects, lambda subject: (subject.metric, subject.variant_id, dimension(subject.segment)))
    for (metric, _, name), grouped in by_dimension:
        members = list(grouped)
        roles[metric.metric_id] = metric.role
        if name == ALL_USERS:
            [everybody] = members
            rows += [*map(everybody.row, everybody.methods), everybody.always_valid_row()]
        else:
            rows += [*(subject.best_row() for subject in members), _interaction(name, members)]
    return _adjusted(rows, roles, is_aa=is_aa)


def subjects_of(experiment: Experiment, metrics: Sequence[Metric], cells: Iterable[Cell]) -> Iterator[Subject]:
    """From the cells of one day: metric by metric, treatment by treatment, all users before the segments.

    A variant without a cell has no users there. Without a control there is nothing.
    """
    control = experiment.control
    if control is None:
        return
    moments: dict[tuple[str, str], dict[tuple[str, bool], Moments]] = defaultdict(dict)
    for cell in cells:
        moments[cell.metric_id, cell.segment][cell.variant_id, cell.is_capped] = cell.moments
    for metric in metrics:
        segments = {segment for metric_id, segment in moments if metric_id == metric.metric_id} | {ALL_USERS}
        for variant in experiment.treatments:
            for segment in sorted(segments, key=lambda name: (name != ALL_USERS, name)):
                ids = (control.variant_id, variant.variant_id)
                found = moments.get((metric.metric_id, segment), {})
                has_cap = any(is_capped for _, is_capped in found)
                yield Subject(
                    metric,
                    variant.variant_id,
                    control.variant_id,
                    segment,
                    experiment.pre_period_days > 0,
                    _pair(found, ids, is_capped=False),
                    _pair(found, ids, is_capped=True) if has_cap else None,
                )


def dimension(segment: str) -> str:
    """`age` of `age:18-24`; all users are a dimension of their own."""
    return segment.partition(":")[0]


def decisive(rows: Iterable[MetricResult]) -> dict[tuple[str, str], MetricResult]:
    """The planned test that decides, by metric and treatment: of all users, by the last method that has a number."""
    found: dict[tuple[str, str], MetricResult] = {}
    for row in rows:
        if row.segment == ALL_USERS and row.method != Method.ALWAYS_VALID:
            key = (row.metric_id, row.variant_id)
            if key not in found or row.p_value is not None:
                found[key] = row
    return found


def always_valid_rows(rows: Iterable[MetricResult]) -> dict[tuple[str, str], MetricResult]:
    """The row that decides before the planned end, by metric and treatment."""
    return {(row.metric_id, row.variant_id): row for row in rows if row.method == Method.ALWAYS_VALID}


def _pair(
    found: Mapping[tuple[str, bool], Moments], ids: tuple[str, str], *, is_capped: bool
) -> tuple[Moments, Moments]:
    control, treatment = (found.get((variant_id, is_capped), _NO_USERS) for variant_id in ids)
    return control, treatment


def _interaction(name: str, members: Sequence[Subject]) -> MetricResult:
    comparisons = []
    for subject in members:
        try:
            comparisons.append(subject.best_comparison[1])
        except NoNumberError:
            continue  # its own row says so
    empty_rows = [subject.empty_row(Method.INTERACTION) for subject in members]
    row = replace(
        empty_rows[0],
        segment=name,
        n_control=sum(row.n_control for row in empty_rows),
        n_treatment=sum(row.n_treatment for row in empty_rows),
    )
    try:
        return replace(row, p_value=interaction_p_value(comparisons))
    except NoNumberError as error:
        return replace(row, reason=str(error))


def _adjusted(rows: list[MetricResult], roles: Mapping[str, MetricRole], *, is_aa: bool) -> list[MetricResult]:
    """Holm for all users and the primary metrics, Benjamini and Hochberg in every other family.

    In an A/A experiment every metric is a chance of a false find, so all of them are the primary family.
    The rows that decide are one family, by whatever method: a ratio and a capped mean are two chances of a false find.
    """
    deciding = decisive(rows)
    families: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        of_everybody = row.segment == ALL_USERS
        is_primary = of_everybody and (is_aa or roles[row.metric_id] == MetricRole.PRIMARY)
        if not of_everybody:
            family = "interactions" if row.method == Method.INTERACTION else "segments"
        elif deciding.get((row.metric_id, row.variant_id)) is row:
            family = "deciding"
        else:
            family = METHODS[row.method]
        families[family, is_primary].append(index)
    for (_, is_primary), members in families.items():
        adjust = holm if is_primary else benjamini_hochberg
        for index, p_value in zip(members, adjust([rows[index].p_value for index in members]), strict=True):
            rows[index] = replace(rows[index], p_value_adjusted=p_value)
    return rows
