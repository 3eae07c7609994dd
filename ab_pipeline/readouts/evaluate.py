"""Which looks are due, and what they say."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
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
from ab_pipeline.readouts.series import series_of
from ab_pipeline.readouts.store import StoredLook, store, stored_bases
from ab_pipeline.readouts.sums import cells_of, cells_of_all_users, counts_of, days_of, experiments_there
from ab_pipeline.readouts.unread import why_unread
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Session


@dataclass(frozen=True)
class Evaluation:
    """A read-out with all that a page shows of it."""

    experiment: Experiment
    metrics: tuple[Metric, ...]
    readout: Readout
    series: Series


@dataclass(frozen=True)
class Refreshed:
    """What a refresh made of the sums, each look computed once."""

    looks: int
    """How many are stored that were not, or were computed from other sums."""
    newest: tuple[Evaluation, ...]
    """Of every experiment that has users."""


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
    experiments = _experiments(session, registry)
    if experiment_id not in experiments:
        raise ReadoutError(f"no experiment is called {experiment_id!r}: there are {', '.join(experiments)}")
    experiment, days = experiments[experiment_id], days_of(session, experiment_id)
    if not days:
        raise ReadoutError(f"{experiment_id}: {why_unread(session, registry).get(experiment_id, 'it has no users')}")
    day = as_of or days[-1]
    if day not in days:
        raise ReadoutError(f"{experiment_id} cannot be read out as of {day}: its days are {days[0]} to {days[-1]}")
    counts = counts_of(session, [experiment_id])[experiment_id]
    readout = read_out(experiment, registry.metrics, cells_of(session, [experiment_id], day), counts.as_of(day), day)
    series = series_of(session, {experiment_id: day}, with_bins=day == days[-1])[experiment_id]
    return Evaluation(experiment, registry.metrics, readout, series)


def evaluate_newest(session: Session, registry: Registry) -> tuple[Evaluation, ...]:
    """Every experiment that has users, as of its newest day; nothing is stored.

    Raises:
        WarehouseError: nothing is built.
    """
    experiments = _experiments(session, registry)
    newest = _newest(_bases(session, experiments, registry))
    return _with_series(session, experiments, registry, _newest_readouts(session, experiments, registry, newest))


def evaluate_due(session: Session, registry: Registry, now: dt.datetime) -> Refreshed:
    """Store every look that is missing or whose sums were built again since, and evaluate the newest of each.

    The newest look of an experiment has all segments, and follows the declarations and the code too. Older ones that
    are missing have all users only: enough for the effect by day, at a tenth of the time.
    """
    experiments = _experiments(session, registry)
    bases = _bases(session, experiments, registry)
    newest = _newest(bases)
    stored = stored_bases(session)
    due = {key: basis for key, basis in bases.items() if stored.get(key) != basis}
    readouts = _newest_readouts(session, experiments, registry, newest)
    looks = [
        *(StoredLook(one, due[key]) for one in readouts if (key := (one.experiment_id, one.as_of)) in due),
        *_older_looks(session, experiments, registry, {key: due[key] for key in due if newest[key[0]] != key[1]}),
    ]
    if looks:
        store(session, looks, code_version(), now)
    return Refreshed(len(looks), _with_series(session, experiments, registry, readouts))


def _experiments(session: Session, registry: Registry) -> dict[str, Experiment]:
    return {experiment.experiment_id: experiment for experiment in experiments_there(session, registry)}


def _with_series(
    session: Session, experiments: dict[str, Experiment], registry: Registry, readouts: Sequence[Readout]
) -> tuple[Evaluation, ...]:
    series = series_of(session, {one.experiment_id: one.as_of for one in readouts})
    return tuple(
        Evaluation(experiments[one.experiment_id], registry.metrics, one, series[one.experiment_id]) for one in readouts
    )


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


def _newest_readouts(
    session: Session, experiments: dict[str, Experiment], registry: Registry, newest: Mapping[str, dt.date]
) -> list[Readout]:
    """In the order of the experiments. Those that end on the same day are read together."""
    by_day: dict[dt.date, list[str]] = defaultdict(list)
    for name, day in newest.items():
        by_day[day].append(name)
    cells = _by_experiment([cell for day, names in by_day.items() for cell in cells_of(session, names, day)])
    counts = counts_of(session, list(newest))
    return [
        read_out(experiment, registry.metrics, cells[name], counts[name].as_of(newest[name]), newest[name])
        for name, experiment in experiments.items()
        if name in newest
    ]


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
