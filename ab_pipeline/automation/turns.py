"""The sensor and the schedules look side by side; what one of them requests is a run only some time after its look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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

    taken: frozenset[date]
    """The days that must not be requested: a run is queued or going for them, or about to be."""
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
        self._newest: dict[str, tuple[datetime, frozenset[date]]] = {}

    @contextmanager
    def take(self, requester: str, instance: DagsterInstance, now: datetime) -> Iterator[Turn]:
        """Look while nobody else does."""
        with self._lock:
            announced = (
                days for other, (at, days) in self._newest.items() if other != requester and now - at < _UNTIL_SUBMITTED
            )
            turn = Turn(frozenset(days_in_flight(instance)).union(*announced))
            yield turn
            self._newest[requester] = (now, turn.requested)
