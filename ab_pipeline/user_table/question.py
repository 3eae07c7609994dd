"""What is asked of a file of users, in the words of the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    """`COLUMN`, `COLUMN:kind` or `NUMERATOR/DENOMINATOR`; each of them decides."""
    guardrails: tuple[str, ...] = ()
    """The same, with `:margin` behind it: the relative loss that is allowed."""
    secondary: tuple[str, ...] = ()
    """The same as metrics: they are read out and decide nothing."""
    missing: str = "zero"
    """What an empty cell of a metric means: `zero`, or `drop`: nobody measured it."""
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

    @property
    def texts(self) -> list[tuple[str, MetricRole]]:
        """All that is asked for, the metrics that decide first."""
        return [
            *((text, MetricRole.PRIMARY) for text in self.metrics),
            *((text, MetricRole.GUARDRAIL) for text in self.guardrails),
            *((text, MetricRole.SECONDARY) for text in self.secondary),
        ]


_OPTIONS = {MetricRole.PRIMARY: "--metric", MetricRole.GUARDRAIL: "--guardrail", MetricRole.SECONDARY: "--secondary"}


@dataclass(frozen=True)
class Asked:
    """One `--metric`, `--guardrail` or `--secondary`: its columns, and its kind and margin if they are said."""

    numerator: str
    denominator: str | None
    kind: MetricKind | None
    role: MetricRole = MetricRole.PRIMARY
    margin: float | None = None

    @property
    def metric_id(self) -> str:
        """`clicks/views` of a ratio, else the column."""
        return f"{self.numerator}/{self.denominator}" if self.denominator else self.numerator


def asked(question: Question, file: UserFile) -> list[Asked]:
    """What the metrics are made of.

    Raises:
        UserTableError: a kind is unknown, or a metric is asked for twice.
    """
    found = [_asked(file, text, role) for text, role in question.texts]
    names = [one.metric_id for one in found]
    for one in found:
        if names.count(one.metric_id) > 1:
            raise UserTableError([f"{_OPTIONS[one.role]} {one.metric_id}: it is asked for twice."])
    if unknown := question.lower_is_better - set(names):
        raise UserTableError([f"--lower-is-better {min(unknown)}: no metric is called so."])
    return found


def number_columns(question: Question, metrics: Sequence[Asked]) -> dict[str, str]:
    """The columns that have to be numbers, each with the option that names it."""
    columns = {column: _OPTIONS[one.role] for one in metrics for column in (one.numerator, one.denominator) if column}
    return columns | ({question.covariate: "--covariate"} if question.covariate else {})


def metrics_of(
    question: Question, file: UserFile, metrics: Sequence[Asked], facts: Mapping[str, Facts]
) -> tuple[list[Metric], list[str]]:
    """The metrics, and what was guessed of their kinds."""
    kinds = {one.metric_id: one.kind or _guess(file, one.numerator, facts[one.numerator]) for one in metrics}
    found = [_metric(question, one, kinds[one.metric_id]) for one in metrics]
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


def _metric(question: Question, one: Asked, kind: MetricKind) -> Metric:
    return Metric(
        one.metric_id,
        kind,
        one.numerator,
        one.denominator,
        question.cap if kind in (MetricKind.MEAN, MetricKind.COUNT) else None,
        Direction.DECREASE if one.metric_id in question.lower_is_better else Direction.INCREASE,
        one.role,
        question.minimum_effect if one.margin is None else one.margin,
    )


def _asked(file: UserFile, text: str, role: MetricRole) -> Asked:
    """A column whose name has a colon or slash is found by its whole name first."""
    option = _OPTIONS[role]
    if text in file.columns:
        return Asked(text, None, None, role)
    name, colon, last = text.rpartition(":")
    margin = _margin(last) if colon and role == MetricRole.GUARDRAIL else None
    if margin is not None:
        if not 0 < margin < 1:
            raise UserTableError([f"{option} {text}: {last} is no margin between 0 and 1, such as 0.02."])
        return replace(_asked(file, name.removesuffix(":"), role), margin=margin)
    if colon and last not in list(MetricKind):
        known = ", ".join(MetricKind)
        raise UserTableError([f"{option} {text}: {last!r} is no kind of metric. There are: {known}."])
    column = name if colon else text
    numerator, slash, denominator = column.partition("/")
    if column not in file.columns and slash and (not colon or last == MetricKind.RATIO):
        return Asked(numerator, denominator, MetricKind.RATIO, role)
    if colon and last == MetricKind.RATIO:
        raise UserTableError([f"{option} {text}: a ratio names two columns, as in {option} clicks/views."])
    return Asked(column, None, MetricKind(last) if colon else None, role)


def _margin(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
