"""Which looks are due, and what they say."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import ab_pipeline.experiments
from ab_pipeline.experiments.course import Course
from ab_pipeline.experiments.declaration import Experiment, Metric
from ab_pipeline.experiments.evidence import Evidence, RawComparison
from ab_pipeline.experiments.moments import ALL_USERS, Cell
from ab_pipeline.experiments.readout import read_out
from ab_pipeline.experiments.registry import Registry
from ab_pipeline.experiments.result import Readout
from ab_pipeline.experiments.series import Series
from ab_pipeline.readouts.declarations import Declared, built_declarations
from ab_pipeline.readouts.errors import ReadoutError
from ab_pipeline.readouts.quality_inputs import (
    compare_with_raw,
    evidence_as_of,
    exposed_users,
    input_fingerprints,
    look_days,
    of_experiment,
    remember_differences,
)
from ab_pipeline.readouts.series import series_of
from ab_pipeline.readouts.statistics import newest_statistics, statistics_as_of
from ab_pipeline.readouts.store import ChangedVerdict, NewLook, adopt, changed_verdicts, store, stored_fingerprints
from ab_pipeline.readouts.unread import why_unread
from ab_pipeline.warehouse.base import Session


@dataclass(frozen=True)
class Evaluation:
    """A read-out with all that a page shows of it."""

    experiment: Experiment
    metrics: tuple[Metric, ...]
    readout: Readout
    series: Series
    changed_verdicts: tuple[ChangedVerdict, ...] = ()
    """What earlier looks said that were read otherwise later."""
    not_built: tuple[str, ...] = ()
    """What the files declare that the numbers were not made of."""


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


def evaluate(
    session: Session,
    files: Registry,
    experiment_id: str,
    as_of: dt.date | None = None,
    *,
    compared_days: int | None = None,
) -> Evaluation:
    """Read one experiment out, as of its newest day or another; nothing is stored.

    Raises:
        ReadoutError: there is no such experiment, or no data of it as of that day.
        WarehouseError: nothing is built.
    """
    built = _Built(session, files, dt.datetime.now(dt.UTC), compared_days)
    experiments = built.declared.experiments
    unread = why_unread(session, files)
    if experiment_id in unread and experiment_id not in experiments:
        raise ReadoutError(f"{experiment_id}: {unread[experiment_id]}")
    if experiment_id not in experiments:
        raise ReadoutError(f"no experiment is called {experiment_id!r}: there are {', '.join(experiments)}")
    days = built.days.get(experiment_id)
    if not days:
        raise ReadoutError(f"{experiment_id}: {unread.get(experiment_id, 'it has no users')}")
    day = as_of or days[-1]
    if day not in days:
        raise ReadoutError(f"{experiment_id} cannot be read out as of {day}: its days are {days[0]} to {days[-1]}")
    if day == days[-1]:
        [look] = built.newest([experiment_id])
        return built.with_series([look.readout])[0]
    look = built.new_look(experiment_id, day, statistics_as_of(session, [experiment_id], day))
    return built.with_series([look.readout], with_bins=False)[0]


def evaluate_newest(session: Session, files: Registry, *, compared_days: int | None = None) -> tuple[Evaluation, ...]:
    """Every experiment that has users, as of its newest day; nothing is stored.

    Raises:
        WarehouseError: nothing is built.
    """
    built = _Built(session, files, dt.datetime.now(dt.UTC), compared_days)
    return built.with_series([look.readout for look in built.newest(built.names)])


def evaluate_due(session: Session, files: Registry, now: dt.datetime, *, compared_days: int | None = None) -> Refreshed:
    """Store every look that is missing or whose days were corrected since, and evaluate the newest of each.

    The newest look of an experiment has all segments, and follows whatever it depends on. An older one has all users
    only: enough for the effect by day, at a tenth of the time. It is due while it is missing, and once events of its
    days changed: who was assigned or declared otherwise later is no matter of it.
    """
    built = _Built(session, files, now, compared_days)
    newest = built.newest(built.names)
    stored = stored_fingerprints(session)
    of_newest = {(look.readout.experiment_id, look.readout.as_of) for look in newest}
    older = {key: fingerprint for key, fingerprint in built.fingerprints.items() if key not in of_newest}
    adopted = {key: fingerprint for key, fingerprint in older.items() if key in stored and stored[key] is None}
    if adopted:
        adopt(session, adopted)
    looks = [
        look
        for look in newest
        if stored.get((look.readout.experiment_id, look.readout.as_of)) != look.input_fingerprint
    ]
    due: dict[dt.date, list[str]] = defaultdict(list)
    for (name, day), fingerprint in older.items():
        if (name, day) not in adopted and (stored.get((name, day)) or "").partition(" ")[0] != fingerprint:
            due[day].append(name)
    for day, names in due.items():
        cells = statistics_as_of(session, names, day, only_all_users=True)
        looks += [built.new_look(name, day, cells, only_all_users=True) for name in names]
    if looks:
        store(session, looks, code_version(), now)
    if built.comparison:
        remember_differences(session, built.comparison)
    return Refreshed(len(looks), built.with_series([look.readout for look in newest]))


class _Built:
    """What is built, read once for all experiments."""

    def __init__(self, session: Session, files: Registry, now: dt.datetime, compared_days: int | None) -> None:
        self._session = session
        self.declared: Declared = built_declarations(session, files)
        self.days = {name: days for name, days in look_days(session).items() if name in self.declared.experiments}
        self.names = [name for name in self.declared.experiments if name in self.days]
        starts = {name: (one.start_date, one.pre_period_days) for name, one in self.declared.experiments.items()}
        self.fingerprints = input_fingerprints(session, self.days, starts)
        self.comparison = self._compared(now.date(), compared_days)
        # of today more events may come
        self._course = Course(complete_through=now.date() - dt.timedelta(days=1))
        self._exposed = exposed_users(session, self.names)

    def _compared(self, today: dt.date, compared_days: int | None) -> RawComparison | None:
        experiments = [self.declared.experiments[name] for name in self.names]
        if not experiments:
            return None
        since = min(one.start_date - dt.timedelta(days=one.pre_period_days) for one in experiments)
        if compared_days is not None:
            since = max(since, max(days[-1] for days in self.days.values()) - dt.timedelta(days=compared_days))
        return compare_with_raw(self._session, since, today)

    def newest(self, names: Sequence[str]) -> list[NewLook]:
        """As of each experiment's newest day, with every segment."""
        cells = newest_statistics(self._session, names)
        return [self.new_look(name, self.days[name][-1], cells) for name in names]

    def new_look(self, name: str, day: dt.date, cells: Sequence[Cell], *, only_all_users: bool = False) -> NewLook:
        """A look, with a fingerprint of its days, and of all that it is made of if it has every segment."""
        mine = [cell for cell in cells if cell.experiment_id == name]
        evidence = self._evidence(name, day, only_all_users=only_all_users)
        fingerprint = self.fingerprints[name, day]
        readout = read_out(
            self.declared.experiments[name], self.declared.metrics, mine, evidence, day, course=self._course
        )
        if not only_all_users:
            # the day of the end is over at some time, whatever happens to its data
            made_of = [code_version(), self.declared.experiments[name], self.declared.metrics, evidence, readout.phase]
            made_of += sorted(map(repr, mine))
            fingerprint += f" {hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]}"
        totals = tuple(cell for cell in mine if cell.segment == ALL_USERS and not cell.is_capped)
        return NewLook(readout, totals, fingerprint)

    def _evidence(self, name: str, day: dt.date, *, only_all_users: bool) -> Evidence:
        experiment = self.declared.experiments[name]
        raw = of_experiment(self.comparison, experiment.start_date, experiment.pre_period_days)
        return evidence_as_of(self._exposed[name], raw, day, only_all_users=only_all_users)

    def with_series(self, readouts: Sequence[Readout], *, with_bins: bool = True) -> tuple[Evaluation, ...]:
        """With all that a page shows of them."""
        series = series_of(self._session, {one.experiment_id: one.as_of for one in readouts}, with_bins=with_bins)
        changed = changed_verdicts(self._session)
        return tuple(
            Evaluation(
                self.declared.experiments[one.experiment_id],
                self.declared.metrics,
                one,
                series[one.experiment_id],
                changed.get(one.experiment_id, ()),
                self.declared.not_built,
            )
            for one in readouts
        )
