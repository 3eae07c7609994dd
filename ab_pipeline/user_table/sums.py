"""The sums of a file's users, in one query a metric."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from ab_pipeline.experiments.declaration import Experiment, Metric, MetricKind
from ab_pipeline.experiments.evidence import AssignedUsers
from ab_pipeline.experiments.moments import Cell, Moments
from ab_pipeline.experiments.series import Bin
from ab_pipeline.user_table.file import UserFile

_TOTALS = ("y", "d", "x", "z")
_PRODUCTS = ("yy", "dd", "xx", "zz", "yd", "yx", "yz", "dx", "dz", "xz")
_THIRDS = ("yyy", "yyd", "ydd", "ddd", "yyx", "yxx", "xxx")
_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Groups:
    """SQL of the variant of a user, and of the list of the user's segments."""

    variant: str
    segments: str


def assigned_users(file: UserFile, variant: str, segments: str) -> tuple[AssignedUsers, ...]:
    """How many each variant has, in all and in each segment."""
    rows = file.rows(
        f"select cast({variant} as varchar), unnest({segments}), cast(sum({file.weight}) as bigint) from users"
        f" where {variant} is not null group by 1, 2 order by 1, 2"
    )
    return tuple(AssignedUsers(name, segment, None, users) for name, segment, users in rows)


def cells_of(
    file: UserFile,
    experiment: Experiment,
    metric: Metric,
    groups: Groups,
    *,
    covariate: str | None,
    drops_missing: bool,
) -> list[Cell]:
    """Of each variant and segment, and again of totals cut at the metric's cap if it has one."""
    there = _there(file, metric, groups.variant, drops_missing=drops_missing)
    y = _value(file, metric)
    d = file.number(metric.denominator, "--metric") if metric.denominator else "1.0"
    x = file.number(covariate, "--covariate") if covariate else "0.0"
    cells: list[Cell] = []
    for is_capped in (False, True) if metric.cap else (False,):
        # of those that are not zero, or most users' nothing would be the cap of everybody
        cap = f"(select quantile_disc({y}, {metric.cap}) from users where {y} <> 0 and {there})"
        total = f"least({y}, {cap})" if is_capped else y
        # z is 1: a covariate of a ratio's users is a total, not a ratio
        rows = file.rows(
            f"""
            with totals as (select cast({groups.variant} as varchar) as variant_id,
                                   unnest({groups.segments}) as segment,
                                   {total} as y, {d} as d, {x} as x, 1.0 as z, {file.weight} as weight
                            from users where {there})
            select variant_id, segment, cast(sum(weight) as bigint),
                   {", ".join(f"fsum(weight * {one})" for one in _TOTALS)},
                   {", ".join(f"fsum(weight * {' * '.join(one)})" for one in (*_PRODUCTS, *_THIRDS))}
            from totals group by variant_id, segment
            """
        )
        cells += [
            Cell(experiment.experiment_id, metric.metric_id, name, segment, experiment.end_date, moments, is_capped)
            for name, segment, *sums in rows
            for moments in [Moments(*sums)]
        ]
    return cells


def _there(file: UserFile, metric: Metric, variant: str, *, drops_missing: bool) -> str:
    """SQL of the users who count for a metric."""
    columns = [column for column in (metric.numerator, metric.denominator) if column and drops_missing]
    return " and ".join(f"{name} is not null" for name in (variant, *(file.quoted(c, "--metric") for c in columns)))


def _value(file: UserFile, metric: Metric) -> str:
    number = file.number(metric.numerator, "--metric")
    return f"cast({number} > 0 as double)" if metric.kind == MetricKind.PROPORTION else number


def bins_of(file: UserFile, metric: Metric, variant: str, *, drops_missing: bool) -> list[Bin]:
    """Of totals that are never below zero, on a scale of 1, 2, 5, 10 and so on."""
    if metric.kind not in (MetricKind.MEAN, MetricKind.COUNT):
        return []
    y = _value(file, metric)
    there = _there(file, metric, variant, drops_missing=drops_missing)
    [(least, small, most)] = file.rows(
        f"select min({y}), quantile_disc({y}, 0.02) filter (where {y} > 0), max({y}) from users"
    )
    if least < 0 or not most:
        return []
    edges = [0.0, *_edges(small, most)]
    counts = ", ".join(f"count(*) filter (where {y} > {low!r} and {y} <= {high!r})" for low, high in pairwise(edges))
    rows = file.rows(
        f"select cast({variant} as varchar), count(*) filter (where {y} = 0), {counts} from users"
        f" where {there} group by 1 order by 1"
    )
    found: list[Bin] = []
    for name, zeros, *users in rows:
        found.append(Bin(metric.metric_id, name, 0.0, 0.0, zeros))
        spans = zip(pairwise(edges), users, strict=True)
        found += [Bin(metric.metric_id, name, low, high, count) for (low, high), count in spans]
    return found


def _edges(small: float, most: float) -> list[float]:
    """1, 2, 5, 10, ...: from the last one not above `small` to the first not below `most`."""
    powers = range(math.floor(math.log10(small)), math.ceil(math.log10(most)) + 1)
    steps = [step * 10.0**power for power in powers for step in _STEPS]
    first = max((step for step in steps if step <= small), default=steps[0])
    last = min(step for step in steps if step >= most)
    return [step for step in steps if first <= step <= last]
