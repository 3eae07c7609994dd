"""What is asked of a file of users, in the words of the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ab_pipeline.experiments.declaration import Direction, Metric, MetricKind, MetricRole
from ab_pipeline.user_table.file import UserFile, UserTableError


@dataclass(frozen=True)
class Question:
    """The options of `ab-pipeline analyze`."""

    path: Path
    variant: str
    metrics: tuple[str, ...]
    """`COLUMN`, `COLUMN:kind` or `NUMERATOR/DENOMINATOR`; the first one decides."""
    control: str | None = None
    user: str | None = None
    covariate: str | None = None
    segments: tuple[str, ...] = ()
    """Columns of few values, known before the experiment: its groups are read out too."""
    lower_is_better: frozenset[str] = frozenset()
    minimum_effect: float = 0.05
    cap: float | None = None
    weights: dict[str, float] = field(default_factory=dict)
    """By variant, relative to each other; all alike without."""


def metrics_asked(question: Question, file: UserFile) -> list[Metric]:
    """The first is primary, the others are secondary.

    Raises:
        UserTableError: a column is missing, or a kind unknown.
    """
    metrics = [_metric(question, file, text, is_first=place == 0) for place, text in enumerate(question.metrics)]
    names = [metric.metric_id for metric in metrics]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise UserTableError(f"--metric {min(repeated)}: it is asked for twice.")
    if unknown := question.lower_is_better - set(names):
        raise UserTableError(f"--lower-is-better {min(unknown)}: no --metric is called so.")
    return metrics


def _metric(question: Question, file: UserFile, text: str, *, is_first: bool) -> Metric:
    numerator, denominator, kind = _parts(file, text)
    metric_id = f"{numerator}/{denominator}" if denominator else numerator
    may_be_cut = kind in (MetricKind.MEAN, MetricKind.COUNT)
    return Metric(
        metric_id,
        kind,
        numerator,
        denominator,
        question.cap if may_be_cut else None,
        Direction.DECREASE if metric_id in question.lower_is_better else Direction.INCREASE,
        MetricRole.PRIMARY if is_first else MetricRole.SECONDARY,
        question.minimum_effect,
    )


def _parts(file: UserFile, text: str) -> tuple[str, str | None, MetricKind]:
    """Numerator, denominator and kind. A column whose name has a colon or slash is found by its whole name first."""
    if text in file.types:
        return text, None, MetricKind.PROPORTION if file.is_boolean(text) else MetricKind.MEAN
    name, colon, kind = text.rpartition(":")
    if colon and kind not in list(MetricKind):
        known = ", ".join(MetricKind)
        raise UserTableError(f"--metric {text}: {kind!r} is no kind of metric. There are: {known}.")
    column = name if colon else text
    numerator, slash, denominator = column.partition("/")
    if column not in file.types and slash and kind in ("", text, MetricKind.RATIO):
        return numerator, denominator, MetricKind.RATIO
    if kind == MetricKind.RATIO and colon:
        raise UserTableError(f"--metric {text}: a ratio names two columns, as in --metric clicks/views.")
    return column, None, MetricKind(kind) if colon else MetricKind.MEAN
