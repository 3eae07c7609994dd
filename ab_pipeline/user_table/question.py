"""What is asked of a file of users, in the words of the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ab_pipeline.experiments.declaration import Direction, Metric, MetricKind, MetricRole
from ab_pipeline.files.numbers import Facts
from ab_pipeline.files.reading import Reading
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
    sum_rows: bool = False
    """A user has several rows, of sessions or days, which are summed up."""
    wide: tuple[str, ...] | None = None
    """The columns that are variants, each with a value a user; empty for all that hold numbers."""
    counts: str | None = None
    """The column that says how many users a row stands for; empty where it is to be found by its name."""
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True)
class Asked:
    """One `--metric`: its columns, and its kind if it is said."""

    text: str
    numerator: str
    denominator: str | None
    kind: MetricKind | None

    @property
    def metric_id(self) -> str:
        """`clicks/views` of a ratio, else the column."""
        return f"{self.numerator}/{self.denominator}" if self.denominator else self.numerator


def asked(question: Question, file: UserFile) -> list[Asked]:
    """What the metrics are made of.

    Raises:
        UserTableError: a kind is unknown, or a metric is asked for twice.
    """
    found = [_asked(file, text) for text in question.metrics]
    names = [one.metric_id for one in found]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise UserTableError([f"--metric {min(repeated)}: it is asked for twice."])
    if unknown := question.lower_is_better - set(names):
        raise UserTableError([f"--lower-is-better {min(unknown)}: no --metric is called so."])
    return found


def number_columns(question: Question, metrics: Sequence[Asked]) -> dict[str, str]:
    """The columns that have to be numbers, each with the option that names it."""
    columns = [column for one in metrics for column in (one.numerator, one.denominator) if column]
    return dict.fromkeys(columns, "--metric") | ({question.covariate: "--covariate"} if question.covariate else {})


def metrics_of(
    question: Question, file: UserFile, metrics: Sequence[Asked], facts: Mapping[str, Facts]
) -> tuple[list[Metric], list[str]]:
    """The metrics, the first primary and the others secondary; and what was guessed of their kinds."""
    kinds = {one.metric_id: one.kind or _guess(file, one.numerator, facts[one.numerator]) for one in metrics}
    found = [_metric(question, one, kinds[one.metric_id], is_first=n == 0) for n, one in enumerate(metrics)]
    guessed = [f"{one.metric_id} as a {kinds[one.metric_id]}" for one in metrics if one.kind is None]
    if not guessed:
        return found, []
    return found, [f"Read as it looks: {', '.join(guessed)}; --metric COL:kind says otherwise."]


def _guess(file: UserFile, column: str, facts: Facts) -> MetricKind:
    """A column of yes and no, or of 0 and 1, is a proportion."""
    if file.is_truth(column, facts):
        return MetricKind.PROPORTION
    name = file.quoted(column, "--metric")
    [(least, most, others)] = file.rows(
        f"select min({name}), max({name}), count(*) filter (where {name} not in (0, 1)) from users"
    )
    return MetricKind.PROPORTION if (least, most, others) == (0, 1, 0) else MetricKind.MEAN


def _metric(question: Question, one: Asked, kind: MetricKind, *, is_first: bool) -> Metric:
    return Metric(
        one.metric_id,
        kind,
        one.numerator,
        one.denominator,
        question.cap if kind in (MetricKind.MEAN, MetricKind.COUNT) else None,
        Direction.DECREASE if one.metric_id in question.lower_is_better else Direction.INCREASE,
        MetricRole.PRIMARY if is_first else MetricRole.SECONDARY,
        question.minimum_effect,
    )


def _asked(file: UserFile, text: str) -> Asked:
    """A column whose name has a colon or slash is found by its whole name first."""
    if text in file.columns:
        return Asked(text, text, None, None)
    name, colon, kind = text.rpartition(":")
    if colon and kind not in list(MetricKind):
        known = ", ".join(MetricKind)
        raise UserTableError([f"--metric {text}: {kind!r} is no kind of metric. There are: {known}."])
    column = name if colon else text
    numerator, slash, denominator = column.partition("/")
    if column not in file.columns and slash and kind in ("", text, MetricKind.RATIO):
        return Asked(text, numerator, denominator, MetricKind.RATIO)
    if kind == MetricKind.RATIO and colon:
        raise UserTableError([f"--metric {text}: a ratio names two columns, as in --metric clicks/views."])
    return Asked(text, column, None, MetricKind(kind) if colon else None)
