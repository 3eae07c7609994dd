"""Which looks are due, and what they say."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import ab_pipeline.experiments
from ab_pipeline.experiments.declaration import Experiment, Metric
from ab_pipeline.experiments.moments import Cell
from ab_pipeline.experiments.readout import read_out
from ab_pipeline.experiments.registry import Registry
from ab_pipeline.experiments.result import Readout
from ab_pipeline.experiments.series import Series
from ab_pipeline.readouts.errors import ReadoutError
from ab_pipeline.readouts.store import StoredLook, looks_of, store, stored_bases
from ab_pipeline.readouts.sums import (
    bins,
    cells_of,
    cells_of_all_users,
    counts_of,
    day_totals,
    days_of,
    experiments_there,
)
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Session


@dataclass(frozen=True)
class Evaluation:
    """A read-out with all that a page shows of it."""

    experiment: Experiment
    metrics: tuple[Metric, ...]
    readout: Readout
    series: Series


@cache
def code_version() -> str:
    """Equal for equal statistics: of the sources of `ab_pipeline.experiments`."""
    folder = Path(ab_pipeline.experiments.__file__).parent
    content = b"".join(path.read_bytes() for path in sorted(folder.rglob("*.py")))
    return hashlib.sha256(content).hexdigest()[:12]


def evaluate(session: Session, registry: Registry, experiment_id: str, as_of: dt.date | None = None) -> Evaluation:
    """Read one experiment out, as of its newest day or another; nothing is stored.

    Raises:
        ReadoutError: there is no such experiment, or no data of it as of that day.
        WarehouseError: nothing is built.
    """
    experiments = {experiment.experiment_id: experiment for experiment in experiments_there(session, registry)}
    if experiment_id not in experiments:
        raise ReadoutError(f"no experiment is called {experiment_id!r}: there are {', '.join(experiments)}")
    experiment, days = experiments[experiment_id], days_of(session, experiment_id)
    if not days:
        raise ReadoutError(f"{experiment_id} has no users yet: it starts on {experiment.start_date}")
    day = as_of or days[-1]
    if day not in days:
        raise ReadoutError(f"{experiment_id} cannot be read out as of {day}: its days are {days[0]} to {days[-1]}")
    counts = counts_of(session, [experiment_id])[experiment_id]
    readout = read_out(experiment, registry.metrics, cells_of(session, [experiment_id], day), counts.as_of(day), day)
    is_newest = day == days[-1]
    series = Series(
        looks_of(session, experiment_id, day),
        day_totals(session, experiment_id, day),
        bins(session, experiment_id) if is_newest else (),
    )
    return Evaluation(experiment, registry.metrics, readout, series)


def evaluate_newest(session: Session, registry: Registry) -> list[Evaluation]:
    """Every experiment that has users, as of its newest day; nothing is stored.

    Raises:
        WarehouseError: nothing is built.
    """
    there = [experiment.experiment_id for experiment in experiments_there(session, registry)]
    return [evaluate(session, registry, name) for name in there if days_of(session, name)]


def evaluate_due(session: Session, registry: Registry, now: dt.datetime) -> int:
    """Compute and store every look that is missing or whose sums were built again since; how many there were.

    The newest look of an experiment has all segments, and follows the declarations and the code too. Older ones that
    are missing have all users only: enough for the effect by day, at a tenth of the time.
    """
    experiments = {experiment.experiment_id: experiment for experiment in experiments_there(session, registry)}
    bases = _bases(session, experiments, registry)
    stored = stored_bases(session)
    due = {key: basis for key, basis in bases.items() if stored.get(key) != basis}
    newest = _newest(bases)
    looks = [
        *_newest_looks(session, experiments, registry, {key: due[key] for key in due if newest[key[0]] == key[1]}),
        *_older_looks(session, experiments, registry, {key: due[key] for key in due if newest[key[0]] != key[1]}),
    ]
    if looks:
        store(session, looks, code_version(), now)
    return len(looks)


_Looks = dict[tuple[str, dt.date], str]


def _newest(keys: _Looks) -> dict[str, dt.date]:
    newest: dict[str, dt.date] = {}
    for name, day in keys:
        newest[name] = max(newest.get(name, day), day)
    return newest


def _bases(session: Session, experiments: dict[str, Experiment], registry: Registry) -> _Looks:
    """The builds of the sums of each look: of a day all rows are written by one build of each table."""
    rows = session.rows(
        f"""
        select experiment_id, datestamp, min(build_id) || ' ' || max(build_id)
        from (
            select experiment_id, datestamp, build_id from {BUILT_SCHEMA}.experiment_daily_sums
            union all
            select experiment_id, datestamp, build_id from {BUILT_SCHEMA}.experiment_capped_sums
        ) as sums
        group by experiment_id, datestamp
        """
    )
    bases = {(name, day): basis for name, day, basis in rows if name in experiments}
    for name, day in _newest(bases).items():
        declared = f"{code_version()} {experiments[name]} {registry.metrics}"
        bases[name, day] += f" {hashlib.sha256(declared.encode()).hexdigest()[:16]}"
    return bases


def _newest_looks(
    session: Session, experiments: dict[str, Experiment], registry: Registry, due: _Looks
) -> list[StoredLook]:
    by_day: dict[dt.date, list[str]] = defaultdict(list)
    for name, day in due:
        by_day[day].append(name)
    counts = counts_of(session, [name for name, _ in due])
    looks: list[StoredLook] = []
    for day, names in by_day.items():
        cells = _by_experiment(cells_of(session, names, day))
        for name in names:
            evidence = counts[name].as_of(day)
            readout = read_out(experiments[name], registry.metrics, cells.get(name, []), evidence, day)
            looks.append(StoredLook(readout, due[name, day]))
    return looks


def _older_looks(
    session: Session, experiments: dict[str, Experiment], registry: Registry, due: _Looks
) -> list[StoredLook]:
    if not due:
        return []
    names = sorted({name for name, _ in due})
    cells = _by_experiment(cells_of_all_users(session, names, min(day for _, day in due)))
    counts = counts_of(session, names)
    looks: list[StoredLook] = []
    for (name, day), basis in due.items():
        evidence = counts[name].as_of(day, only_all_users=True)
        looks.append(StoredLook(read_out(experiments[name], registry.metrics, cells[name], evidence, day), basis))
    return looks


def _by_experiment(cells: list[Cell]) -> dict[str, list[Cell]]:
    grouped: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        grouped[cell.experiment_id].append(cell)
    return grouped
