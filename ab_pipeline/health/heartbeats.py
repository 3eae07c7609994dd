"""What the beats of Dagster's daemon tell."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SILENT_SECONDS = 300.0
"""The scheduler's beat is up to 90 seconds old in a daemon that is well."""
# clocks of two hosts differ
_OVERLAP_SECONDS = 60.0
_FRESH_SECONDS = 120.0


def tolerance(otherwise: float) -> float:
    """Seconds without a beat, by Dagster's own variable where it is set."""
    return float(os.environ.get("DAGSTER_DAEMON_HEARTBEAT_TOLERANCE") or otherwise)


@dataclass(frozen=True)
class Beat:
    """The newest of one of the daemon's kinds."""

    kind: str
    daemon: str
    """The process that it came from."""
    at: float
    errors: tuple[str, ...] = ()


def silent(
    beats: Iterable[Beat], required: Iterable[str], now: float, patience: float = SILENT_SECONDS
) -> dict[str, float | None]:
    """The kinds that have not beaten for so many seconds, with their newest beat; None if there was none."""
    newest = {beat.kind: beat.at for beat in beats}
    return {kind: newest.get(kind) for kind in sorted(required) if now - newest.get(kind, 0.0) > patience}


@dataclass
class Daemons:
    """The processes that were seen to beat, from the first beat of each to its newest."""

    _seen: dict[str, tuple[float, float]] = field(default_factory=dict)

    def see(self, beats: Iterable[Beat], now: float) -> None:
        """Note one look at the beats."""
        for beat in beats:
            first, last = self._seen.get(beat.daemon, (beat.at, beat.at))
            self._seen[beat.daemon] = (min(first, beat.at), max(last, beat.at))
        self._seen = {daemon: span for daemon, span in self._seen.items() if now - span[1] < 2 * SILENT_SECONDS}

    def at_once(self, now: float) -> list[str]:
        """Those that beat side by side. After a hand-over, the beats of one end where those of the other begin."""
        fresh = {daemon: span for daemon, span in self._seen.items() if now - span[1] < _FRESH_SECONDS}
        return sorted(daemon for daemon in fresh if _has_neighbour(daemon, fresh))


def _has_neighbour(daemon: str, spans: Mapping[str, tuple[float, float]]) -> bool:
    first, last = spans[daemon]
    return any(
        min(last, other_last) - max(first, other_first) > _OVERLAP_SECONDS
        for other, (other_first, other_last) in spans.items()
        if other != daemon
    )
