"""The sensor and the schedules look side by side; what one of them requests is a run only some time after its look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from threading import Lock

from dagster import DagsterInstance

from ab_pipeline.automation.runs import days_in_flight

# the daemon submits what a tick requested at once, at a few runs a second
_UNTIL_SUBMITTED = timedelta(minutes=2)


@dataclass
class Turn:
    """One look by one requester."""

    database: str
    """The identity of the warehouse that is looked at."""
    taken: Mapping[date, str]
    """The days that must not be requested: by which run, queued or going, or by whom one is about to be requested."""
    requested: frozenset[date] = frozenset()

    def request(self, days: Iterable[date]) -> None:
        """Tell the others of the days that this look ends in runs for."""
        self.requested = frozenset(days)


class Turns:
    """One of them a code server, which the daemon asks for every tick.

    A request that comes to nothing, since the daemon was killed, keeps a day from the others for two minutes. It keeps
    nothing from who made it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._newest: dict[tuple[str, str], tuple[datetime, frozenset[date]]] = {}

    @contextmanager
    def take(
        self, requester: str, instance: DagsterInstance, now: datetime, identify: Callable[[], object]
    ) -> Iterator[Turn]:
        """Look while nobody else does. What was requested for another database keeps no day of this one waiting."""
        with self._lock:
            database = str(identify())
            announced = {
                day: f"a run that {other} has just requested"
                for (other, of), (at, days) in self._newest.items()
                for day in days
                if other != requester and of == database and now - at < _UNTIL_SUBMITTED
            }
            turn = Turn(database, {**announced, **days_in_flight(instance)})
            yield turn
            self._newest[requester, database] = (now, turn.requested)
