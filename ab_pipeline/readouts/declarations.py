"""What is declared, from the tables that the sums were made of; and what a newer file says otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

from ab_pipeline.experiments.declaration import Direction, Experiment, Metric, MetricKind, MetricRole, Variant
from ab_pipeline.experiments.registry import Registry
from ab_pipeline.readouts.statistics import METRICS
from ab_pipeline.warehouse.base import BUILT_SCHEMA, HOW_TO_BUILD, Session, WarehouseError, tables_in

OLDER = "the experiments were built by an older version; the next refresh brings them up to date"
_EXPERIMENT = "experiment_id, name, hypothesis, owner, start_date, end_date, pre_period_days, allocation"


@dataclass(frozen=True)
class Declared:
    """Experiments and metrics as they are built, in the order of the files; those that no file has come last."""

    experiments: dict[str, Experiment]
    metrics: tuple[Metric, ...]
    not_built: tuple[str, ...]
    """A sentence each: what the files say that the tables were not built from."""


def built_declarations(session: Session, files: Registry) -> Declared:
    """What the tables were built from.

    Raises:
        WarehouseError: no experiment is built, or by a version that did not keep its declarations.
    """
    tables = tables_in(session, BUILT_SCHEMA)
    if "experiment_statistics" not in tables:
        raise WarehouseError(f"no experiment is built yet: {HOW_TO_BUILD}")
    variants: dict[str, list[Variant]] = {}
    for name, *variant in session.rows(
        f"select experiment_id, variant_id, is_control, expected_weight from {BUILT_SCHEMA}.dim_experiment_variant"
        " order by is_control desc, variant_id"
    ):
        variants.setdefault(name, []).append(Variant(*variant))
    order = {v.variant_id: place for e in files.experiments for place, v in enumerate(e.variants)}
    experiments: list[Experiment] = []
    for name, *row, is_inferred, is_aa in session.rows(
        f"select {_EXPERIMENT}, is_inferred, is_aa from {BUILT_SCHEMA}.dim_experiment"
        " where start_date is not null order by experiment_id"
    ):
        mine = sorted(variants.get(name, []), key=lambda variant: order.get(variant.variant_id, -1))
        experiments.append(Experiment(name, *row, variants=tuple(mine), is_inferred=is_inferred, is_aa=is_aa))
    metrics = (
        []
        if "built_metric" not in tables
        else [
            Metric(name, MetricKind(kind), numerator, denominator, cap, Direction(direction), MetricRole(role), effect)
            for name, kind, numerator, denominator, cap, direction, role, effect in session.rows(
                f"select metric_id, kind, numerator, denominator, cap, direction, role, minimum_effect from {METRICS}"
                " order by metric_id"
            )
        ]
    )
    if not metrics:
        raise WarehouseError(f"{OLDER}: {HOW_TO_BUILD}")
    there = [one for one in experiments if not one.is_inferred]
    return Declared(
        {one.experiment_id: one for one in _in_order(experiments, files.experiments)},
        tuple(_in_order(metrics, files.metrics)),
        (*_edits(there, files.experiments, "experiment"), *_edits(metrics, files.metrics, "metric")),
    )


T = TypeVar("T", Experiment, Metric)


def _name(one: Experiment | Metric) -> str:
    return one.metric_id if isinstance(one, Metric) else one.experiment_id


def _in_order(built: Sequence[T], declared: Sequence[T]) -> list[T]:
    places = {_name(one): place for place, one in enumerate(declared)}
    return sorted(built, key=lambda one: places.get(_name(one), len(places)))


def _edits(built: Sequence[T], declared: Sequence[T], noun: str) -> Iterator[str]:
    there, said = {_name(one): one for one in built}, {_name(one): one for one in declared}
    for name in sorted(said.keys() - there.keys()):
        yield f"{noun} {name} is declared and not built yet"
    for name in sorted(there.keys() - said.keys()):
        yield f"{noun} {name} is built and no longer declared"
    for name in sorted(there.keys() & said.keys()):
        for field in fields(said[name]):
            old, new = getattr(there[name], field.name), getattr(said[name], field.name)
            if old != new:
                yield f"{noun} {name}: {field.name} is {_text(new)} in the file and {_text(old)} in what is built"


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{one.variant_id} {one.expected_weight:g}" for one in value)
    return "empty" if value is None else str(value)
