"""What is looked at: each part by a thread of its own, so that one that hangs keeps no other from being seen."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ab_pipeline.automation import sentences

_SECONDS_TO_WAIT = 0.5


def utc(at: float) -> str:
    """Seconds since 1970, as people are told of them."""
    return sentences.utc(dt.datetime.fromtimestamp(at, dt.UTC))


class Status(StrEnum):
    """How a part is."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"
    """Not looked at yet, or what it is looked at through is down."""


@dataclass(frozen=True)
class Sample:
    """A number for `/metrics`."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What one look saw."""

    says: str
    problem: str | None = None
    samples: Sequence[Sample] = ()


@dataclass(frozen=True)
class Reading:
    """How a part is at a moment."""

    status: Status
    says: str
    since: float
    """Since when it has been so, in seconds since 1970."""
    at: float | None
    """When it was last looked at."""


Look = Callable[[], Seen]


@dataclass
class Part:
    """One thing that is looked at."""

    name: str
    look: Look
    every: float
    """Seconds from the end of a look to the next."""
    patience: float = 5.0
    """Seconds that a look may take."""
    needs: str | None = None
    """The part that it is looked at through."""
    _seen: Seen | None = None
    _at: float | None = None
    _began: float = field(default_factory=time.time)
    _is_looking: bool = False
    _since: float = field(default_factory=time.time)

    def look_once(self) -> Seen:
        """Look, and remember what was seen. Whatever a look raises is a problem."""
        self._began, self._is_looking = time.time(), True
        try:
            seen = self.look()
        except Exception as error:  # of any library, and of none may the thread end
            seen = Seen("", problem=" ".join(str(error).split()) or type(error).__name__)
        was_down = self._seen is not None and self._seen.problem is not None
        if self._seen is None or was_down != (seen.problem is not None):
            # it began before this look, if that one hung
            self._since = self._began
        self._seen, self._at, self._is_looking = seen, time.time(), False
        return seen

    def keep_looking(self, stop: threading.Event, through: Part | None = None) -> None:
        """Until it is told to stop; not while what it is looked at through is not up."""
        while not stop.is_set():
            if through and through.reading(time.time()).status != Status.UP:
                stop.wait(_SECONDS_TO_WAIT)
                continue
            self.look_once()
            stop.wait(self.every)

    @property
    def samples(self) -> Sequence[Sample]:
        """Of the newest look."""
        return self._seen.samples if self._seen else ()

    def reading(self, now: float) -> Reading:
        """How it is, from memory."""
        seen, waited = self._seen, now - self._began
        if self._is_looking and waited > self.patience:
            since = self._since if seen and seen.problem else self._began
            return Reading(Status.DOWN, f"no answer for {waited:.0f} s", since, self._at)
        if seen is None:
            return Reading(Status.UNKNOWN, "not looked at yet", self._since, None)
        status = Status.DOWN if seen.problem else Status.UP
        return Reading(status, seen.problem or seen.says, self._since, self._at)


@dataclass(frozen=True)
class Watch:
    """All parts."""

    parts: Sequence[Part]

    def start(self, stop: threading.Event) -> None:
        """A thread for each."""
        by_name = {part.name: part for part in self.parts}
        for part in self.parts:
            through = by_name[part.needs] if part.needs else None
            threading.Thread(target=part.keep_looking, args=(stop, through), name=part.name, daemon=True).start()

    def readings(self, now: float) -> dict[str, Reading]:
        """How each is. What is looked at through a part that is not up is unknown: that one alone is told of."""
        found = {part.name: part.reading(now) for part in self.parts}
        for part in self.parts:
            through = found[part.needs] if part.needs else None
            if through and through.status != Status.UP:
                says = f"not known while {part.needs} is {through.status}"
                found[part.name] = replace(found[part.name], status=Status.UNKNOWN, says=says, since=through.since)
        return found
