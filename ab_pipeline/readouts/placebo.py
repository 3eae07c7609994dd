"""Placebo tests: the team's own users in two groups by lot, again and again. Every difference found is a false one."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ab_pipeline.experiments.declaration import Experiment, Variant
from ab_pipeline.experiments.evidence import Evidence
from ab_pipeline.experiments.moments import Cell
from ab_pipeline.experiments.readout import read_out
from ab_pipeline.experiments.registry import MEASURES, Registry
from ab_pipeline.experiments.result import Method
from ab_pipeline.readouts.declarations import built_declarations
from ab_pipeline.readouts.errors import ReadoutError
from ab_pipeline.readouts.statistics import literal, statistics_of
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
    files: Registry,
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
    built = built_declarations(session, files)
    experiment, metrics = _with_users(session, built.experiments, experiment_id), built.metrics
    name = experiment.experiment_id
    [(users,)] = session.rows(f"select count(*) {_COUNTED}", [name])
    # a day before its end would be read out by always-valid intervals alone
    day = dt.date(2000, 1, 1)
    drawn = Experiment(name, name, "", "", day, day, experiment.pre_period_days, 1.0, _VARIANTS)
    counts: dict[tuple[str, Method], list[int]] = {}
    for first in range(0, runs, _RUNS_PER_QUERY):
        numbers = range(first, min(first + _RUNS_PER_QUERY, runs))
        cells: dict[str, list[Cell]] = defaultdict(list)
        for cell in statistics_of(session, _drawn(name, numbers, seed, day), only_all_users=True):
            cells[cell.experiment_id].append(cell)
        for number in numbers:
            of_run = replace(drawn, experiment_id=str(number))
            for row in read_out(of_run, metrics, cells[str(number)], Evidence((), None, None), day).results:
                if row.p_value is not None:
                    counts.setdefault((row.metric_id, row.method), []).append(row.p_value < ALPHA)
            on_run(number + 1)
    found = [FalsePositives(metric, method, len(hits), sum(hits)) for (metric, method), hits in counts.items()]
    return name, users, found


def _with_users(session: Session, experiments: Mapping[str, Experiment], experiment_id: str | None) -> Experiment:
    users = dict(
        session.rows(
            f"select experiment_id, count(*) from {BUILT_SCHEMA}.experiment_units"
            " where exclusion is null and first_day <= last_day group by 1"
        )
    )
    name = experiment_id or max(users, key=lambda one: (users[one], one), default="")
    if name not in users or name not in experiments:
        raise ReadoutError(f"no experiment {name} has users: {', '.join(sorted(users)) or 'none'} have")
    return experiments[name]


def _drawn(experiment_id: str, runs: Sequence[int], seed: int, day: dt.date) -> str:
    """The units of an experiment once a run, which stands as the experiment, each in one of two groups by lot."""
    numbers = " union all ".join(f"select {number} as run" for number in runs)
    totals = ", ".join(f"units.{prefix}{measure}" for measure in MEASURES for prefix in ("", "pre_"))
    return f"""
        select
            cast(runs.run as varchar(64)) as experiment_id,
            case
                when md5(cast(units.user_id as varchar) || '-{seed}-' || cast(runs.run as varchar)) < '8' then 'a'
                else 'b'
            end as variant_id,
            units.age, units.gender, units.activity, {totals}, cast('{day}' as date) as as_of
        from (select * {_COUNTED.replace("?", literal(experiment_id))}) as units
        cross join ({numbers}) as runs
    """
