"""Placebo tests: the team's own users in two groups by lot, again and again. Every difference found is a false one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ab_pipeline.experiments.declaration import Experiment, Metric, MetricKind, Variant
from ab_pipeline.experiments.evidence import Evidence
from ab_pipeline.experiments.moments import ALL_USERS, Cell, Moments
from ab_pipeline.experiments.readout import read_out
from ab_pipeline.experiments.registry import Registry
from ab_pipeline.experiments.result import Method
from ab_pipeline.readouts.errors import ReadoutError
from ab_pipeline.readouts.sums import experiments_there
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Session

ALPHA = 0.05
_RUNS_PER_QUERY = 50
_COUNTED = (
    f"from {BUILT_SCHEMA}.experiment_units where exclusion is null and first_day <= last_day and experiment_id = ?"
)
_VARIANTS = (Variant("a", is_control=True, expected_weight=1), Variant("b", is_control=False, expected_weight=1))


@dataclass(frozen=True)
class FalsePositives:
    """How often a metric and method found a difference at p < 0.05 where there is none."""

    metric_id: str
    method: Method
    runs: int
    found: int

    @property
    def rate(self) -> float:
        """Their share; about 0.05 where the method keeps its promise."""
        return self.found / self.runs


def placebo(
    session: Session,
    registry: Registry,
    experiment_id: str | None,
    *,
    runs: int,
    seed: int = 1,
    on_run: Callable[[int], None] = lambda _: None,
) -> tuple[str, int, list[FalsePositives]]:
    """Halve the users of an experiment `runs` times by a hash of user and seed; of the largest one without a name.

    The totals are the users' own, those of both periods, so that they are as skewed and as correlated as in earnest.
    Returns the experiment, how many users it has, and the false positives of every metric and method.

    Raises:
        ReadoutError: there is no such experiment, or nobody is in it.
        WarehouseError: nothing is built.
    """
    experiment = _with_users(session, registry, experiment_id)
    name = experiment.experiment_id
    [(users,)] = session.rows(f"select count(*) {_COUNTED}", [name])
    caps = {metric.metric_id: _cap(session, name, metric) for metric in registry.metrics if metric.cap is not None}
    # a day before its end would be read out by always-valid intervals alone
    day = dt.date(2000, 1, 1)
    drawn = Experiment(name, name, "", "", day, day, experiment.pre_period_days, 1.0, _VARIANTS)
    counts: dict[tuple[str, Method], list[int]] = {}
    for first in range(0, runs, _RUNS_PER_QUERY):
        numbers = range(first, min(first + _RUNS_PER_QUERY, runs))
        cells = {number: [] for number in numbers}
        for metric in registry.metrics:
            for cap in {None, caps.get(metric.metric_id)}:
                for number, cell in _cells(session, name, metric, cap, runs=numbers, seed=seed, day=day):
                    cells[number].append(cell)
        for number in numbers:
            for row in read_out(drawn, registry.metrics, cells[number], Evidence((), None, None), day).results:
                if row.p_value is not None:
                    counts.setdefault((row.metric_id, row.method), []).append(row.p_value < ALPHA)
            on_run(number + 1)
    found = [FalsePositives(metric, method, len(hits), sum(hits)) for (metric, method), hits in counts.items()]
    return name, users, found


def _with_users(session: Session, registry: Registry, experiment_id: str | None) -> Experiment:
    experiments = {experiment.experiment_id: experiment for experiment in experiments_there(session, registry)}
    users = dict(
        session.rows(
            f"select experiment_id, count(*) from {BUILT_SCHEMA}.experiment_units"
            " where exclusion is null and first_day <= last_day group by 1"
        )
    )
    name = experiment_id or max(users, key=lambda one: (users[one], one), default=None)
    if name not in users or name not in experiments:
        raise ReadoutError(f"no experiment {name or ''} has users: {', '.join(sorted(users)) or 'none'} have")
    return experiments[name]


def _cap(session: Session, experiment_id: str, metric: Metric) -> int | None:
    rows = session.rows(
        f"""
        select min(total) from (
            select {metric.numerator} as total,
                row_number() over (order by {metric.numerator}) as place,
                count(*) over (partition by experiment_id) as num_of_totals
            {_COUNTED} and {metric.numerator} <> 0
        ) as ranked
        where place >= {metric.cap} * num_of_totals
        """,
        [experiment_id],
    )
    return rows[0][0]


def _cells(
    session: Session,
    experiment_id: str,
    metric: Metric,
    cap: int | None,
    *,
    runs: Sequence[int],
    seed: int,
    day: dt.date,
) -> list[tuple[int, Cell]]:
    """The moments of both groups in each run, by one query."""
    y, x = (_total(metric, prefix, cap) for prefix in ("", "pre_"))
    d, z = (
        f"cast({prefix}{metric.denominator} as double precision)" if metric.denominator else "1.0"
        for prefix in ("", "pre_")
    )
    numbers = " union all ".join(f"select {number} as run" for number in runs)
    products = (
        "y",
        "d",
        "x",
        "z",
        "y * y",
        "d * d",
        "x * x",
        "z * z",
        "y * d",
        "y * x",
        "y * z",
        "d * x",
        "d * z",
        "x * z",
    )
    rows = session.rows(
        f"""
        with totals as (select user_id, {y} as y, {d} as d, {x} as x, {z} as z {_COUNTED}),
        drawn as (
            select runs.run, totals.y, totals.d, totals.x, totals.z,
                case
                    when substring(md5(cast(user_id as varchar) || '-{seed}-' || cast(run as varchar)), 1, 1) < '8'
                        then 'a'
                    else 'b'
                end as variant_id
            from totals cross join ({numbers}) as runs
        )
        select run, variant_id, count(*), {", ".join(f"sum({product})" for product in products)}
        from drawn group by run, variant_id
        """,
        [experiment_id],
    )
    return [
        (
            run,
            Cell(
                experiment_id,
                metric.metric_id,
                variant,
                ALL_USERS,
                day,
                Moments(int(users), *map(float, sums)),
                is_capped=cap is not None,
            ),
        )
        for run, variant, users, *sums in rows
    ]


def _total(metric: Metric, prefix: str, cap: int | None) -> str:
    total = f"{prefix}{metric.numerator}"
    if metric.kind == MetricKind.PROPORTION:
        total = f"case when {total} > 0 then 1 else 0 end"
    if cap is not None:
        total = f"least({total}, {cap})"
    return f"cast({total} as double precision)"
