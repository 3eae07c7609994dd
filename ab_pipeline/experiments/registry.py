"""What is declared in the three CSV files of `dbt_project/seeds/`, checked as a whole."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ab_pipeline.errors import UserError
from ab_pipeline.experiments.declaration import Experiment, Metric, MetricKind, MetricRole, Variant

MEASURES = ("num_of_items", "num_of_clicks", "num_of_purchases", "revenue")
"""The columns of the daily table that metrics are made of: the macro `measures` has the same."""

_EXPERIMENTS, _VARIANTS, _METRICS = "experiments.csv", "experiment_variants.csv", "metrics.csv"
_TRUE = {"true", "t", "yes", "y", "on", "1"}
T = TypeVar("T")


class RegistryError(UserError):
    """The declarations are wrong. The message has a line for every mistake: file, row, column, what is wrong."""


@dataclass(frozen=True)
class Registry:
    """Every declared experiment and metric, in the order of the files."""

    experiments: tuple[Experiment, ...]
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class _Row:
    """One row of a file; `number` is its line, the header being line 1."""

    file: str
    number: int
    cells: dict[str, str | None]

    def mistake(self, column: str, what: str) -> str:
        return f"{self.file}, row {self.number}, column {column}: {what}"


def read_registry(folder: Path) -> Registry:
    """Read and check the three files.

    Raises:
        RegistryError: all mistakes of all files at once.
    """
    mistakes: list[str] = []
    experiment_rows = _read(folder / _EXPERIMENTS, _columns(Experiment, "variants", "is_inferred"), mistakes)
    variant_rows = _read(folder / _VARIANTS, ("experiment_id", *_columns(Variant)), mistakes)
    metric_rows = _read(folder / _METRICS, _columns(Metric), mistakes)
    mistakes += _repeated("experiment_id", experiment_rows)
    mistakes += _repeated("variant_id", variant_rows)
    mistakes += _repeated("metric_id", metric_rows)
    experiments = _values(experiment_rows, Experiment, mistakes, variants=())
    variants = _values(variant_rows, Variant, mistakes)
    metrics = _values(metric_rows, Metric, mistakes)
    for row, experiment in experiments:
        mistakes += _wrong_in_experiment(row, experiment)
        mistakes += _wrong_in_variants(row, variant_rows)
    known = {row.cells["experiment_id"] for row in experiment_rows}
    mistakes += [
        row.mistake("experiment_id", f"{row.cells['experiment_id']!r} is in no row of {_EXPERIMENTS}")
        for row in variant_rows
        if known and row.cells["experiment_id"] not in known
    ]
    for row, variant in variants:
        if variant.expected_weight <= 0:
            mistakes.append(row.mistake("expected_weight", f"{variant.expected_weight:g} is not above zero"))
    for row, metric in metrics:
        mistakes += _wrong_in_metric(row, metric)
    if metrics and not any(metric.role == MetricRole.PRIMARY for _, metric in metrics):
        mistakes.append(f"{_METRICS}, column role: no metric is primary, so nothing could be decided")
    if mistakes:
        raise RegistryError("\n".join(dict.fromkeys(mistakes)))
    return Registry(
        tuple(
            replace(
                experiment,
                variants=tuple(v for row, v in variants if row.cells["experiment_id"] == experiment.experiment_id),
            )
            for _, experiment in experiments
        ),
        tuple(metric for _, metric in metrics),
    )


def _columns(kind: type[Any], *absent: str) -> tuple[str, ...]:
    """The columns of a file whose rows are values of `kind`, a dataclass."""
    return tuple(field.name for field in fields(kind) if field.name not in absent)


def _read(path: Path, columns: Sequence[str], mistakes: list[str]) -> list[_Row]:
    """The rows of a file that has the columns; what is wrong with the others is added to the mistakes."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            header = list(reader.fieldnames or [])
            numbered = [(reader.line_num, cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        mistakes.append(f"{path.name} cannot be read: {error}")
        return []
    missing = [f"{path.name}, row 1: column {name} is missing" for name in columns if name not in header]
    mistakes += missing
    mistakes += [
        f"{path.name}, row 1: no column is called {name!r}: {', '.join(columns)} are"
        for name in header
        if name not in columns
    ]
    rows: list[_Row] = []
    for number, cells in numbered:
        if None in cells or None in cells.values():
            mistakes.append(f"{path.name}, row {number}: it has more or fewer values than the {len(header)} columns")
        elif not missing:
            rows.append(_Row(path.name, number, {name: cell.strip() or None for name, cell in cells.items()}))
    return rows


def _values(rows: Iterable[_Row], kind: type[T], mistakes: list[str], **given: object) -> list[tuple[_Row, T]]:
    """The rows that can be values of `kind`, with what no column gives; mistakes are added."""
    adapter = TypeAdapter(kind)
    found: list[tuple[_Row, T]] = []
    for row in rows:
        try:
            found.append((row, adapter.validate_python({**row.cells, **given})))
        except ValidationError as error:
            mistakes += [_sentence(row, dict(problem)) for problem in error.errors()]
    return found


def _sentence(row: _Row, problem: dict[str, Any]) -> str:
    column = str(problem["loc"][0])
    cell = row.cells.get(column)
    if cell is None:
        return row.mistake(column, "it is empty")
    what = str(problem["msg"]).removeprefix("Input should be ")
    return row.mistake(column, f"{cell!r} is not {what}")


def _repeated(column: str, rows: Sequence[_Row]) -> Iterator[str]:
    counts = Counter(row.cells[column] for row in rows)
    for row in rows:
        if counts[row.cells[column]] > 1:
            yield row.mistake(column, f"{row.cells[column]!r} stands in {counts[row.cells[column]]} rows")


def _wrong_in_experiment(row: _Row, experiment: Experiment) -> Iterator[str]:
    if experiment.end_date < experiment.start_date:
        yield row.mistake("end_date", f"{experiment.end_date} is before the start, {experiment.start_date}")
    if experiment.pre_period_days < 0:
        yield row.mistake("pre_period_days", f"{experiment.pre_period_days} is below zero")
    if not 0 < experiment.allocation <= 1:
        yield row.mistake("allocation", f"{experiment.allocation:g} is not a share above 0 and up to 1")


def _wrong_in_variants(row: _Row, variant_rows: Iterable[_Row]) -> Iterator[str]:
    mine = [other for other in variant_rows if other.cells["experiment_id"] == row.cells["experiment_id"]]
    if len(mine) < 2:
        yield row.mistake("experiment_id", f"{_VARIANTS} names {len(mine)} of its variants: it takes two or more")
        return
    controls = [other for other in mine if (other.cells["is_control"] or "").lower() in _TRUE]
    if not controls:
        yield row.mistake("experiment_id", f"none of its variants in {_VARIANTS} is the control")
    for other in controls[1:]:
        yield other.mistake("is_control", f"{other.cells['variant_id']!r} is the second control of the experiment")


def _wrong_in_metric(row: _Row, metric: Metric) -> Iterator[str]:
    is_ratio = metric.kind == MetricKind.RATIO
    for column in ("numerator", "denominator"):
        measure = row.cells[column]
        if measure is not None and measure not in MEASURES:
            yield row.mistake(column, f"{measure!r} is none of {', '.join(MEASURES)}")
    if is_ratio and metric.denominator is None:
        yield row.mistake("denominator", "it is empty, and a ratio needs one")
    if not is_ratio and metric.denominator is not None:
        yield row.mistake("denominator", f"a {metric.kind} has none: the users are its denominator")
    if metric.cap is not None and metric.kind not in (MetricKind.MEAN, MetricKind.COUNT):
        yield row.mistake("cap", f"a {metric.kind} has none")
    if metric.cap is not None and not 0 < metric.cap < 1:
        yield row.mistake("cap", f"{metric.cap:g} is not a quantile between 0 and 1")
    if not metric.minimum_effect > 0:
        yield row.mistake("minimum_effect", f"{metric.minimum_effect:g} is not above zero")
