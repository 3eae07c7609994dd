"""What is said about a failure, and whether it was said already: pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

QUIET = timedelta(hours=24)
_SHOWN_LINES = 8
_SHOWN_CHARACTERS = 300
_SHOWN_ASSETS = 5
# run ids, process ids, counts, days: what differs between two occurrences of one failure
_VARYING = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+")


@dataclass(frozen=True)
class Alert:
    """A failure of a run, of an asset check, or of the ticks of a sensor, for the people who own it."""

    run_id: str
    job: str
    subjects: tuple[str, ...]
    """The failed assets, or the asset and its check."""
    severity: str
    owners: tuple[str, ...]
    days: str
    error: tuple[str, ...]
    failing_rows: int | None = None
    since: str = ""
    """Of what goes on until somebody mends it: since when. Each outage is told, however soon after the last."""

    @property
    def subject(self) -> str:
        """The failed assets or the check, in one line."""
        more = len(self.subjects) - _SHOWN_ASSETS
        return ", ".join(self.subjects[:_SHOWN_ASSETS]) + (f" and {more} more" if more > 0 else "")

    @property
    def path(self) -> str:
        """Where Dagster's UI shows it."""
        return "automation" if self.since else f"runs/{self.run_id}"

    @property
    def fingerprint(self) -> str:
        """Equal for the same failure, whichever run and day it happened in."""
        head: list[str] = []
        for line in self.error:
            head.append(line)
            # "... are not as they should be:" says nothing yet
            if not line.endswith(":"):
                break
        return f"{self.severity} {', '.join(self.subjects)}: {_VARYING.sub('#', ' '.join(head))}"

    def text(self, link: str, held_back: int) -> str:
        """The message, as plain text."""
        if self.since:
            lines = [f"{self.severity}: {self.subject} has failed since {self.since}"]
        else:
            lines = [f"{self.severity}: {self.subject} failed in {self.job}{f', {self.days}' if self.days else ''}"]
            lines.append(f"Owner: {', '.join(self.owners) or 'nobody; add one to the asset'}")
        if self.failing_rows is not None:
            lines.append(f"Failing rows: {self.failing_rows:,}")
        lines += [f"> {line[:_SHOWN_CHARACTERS]}" for line in self.error[:_SHOWN_LINES]]
        if held_back:
            lines.append(f"{'Once' if held_back == 1 else f'{held_back} times'} more since it was last reported.")
        return "\n".join([*lines, link])


class Outcome(StrEnum):
    """What became of an alert."""

    SENT = "sent"
    HELD_BACK = "held back"
    UNDELIVERED = "undelivered"


@dataclass(frozen=True)
class Record:
    """A line of the alerts file."""

    at: datetime
    run_id: str
    fingerprint: str
    outcome: Outcome
    held_back: int
    alert: dict[str, Any]

    @classmethod
    def of(cls, alert: Alert, link: str, at: datetime, outcome: Outcome, held_back: int) -> Self:
        """The record of an alert, with all that was said, for the reader of the file."""
        return cls(at, alert.run_id, alert.fingerprint, outcome, held_back, {**asdict(alert), "link": link})


@dataclass(frozen=True)
class ToSend:
    """The alert is news."""

    held_back: int
    """How often the same was held back since it was last sent."""
    is_noted: bool
    """Whether a delivery was tried before."""


def decide(alert: Alert, history: Iterable[Record], now: datetime) -> ToSend | Outcome | None:
    """Send it, hold it back as a repetition, or nothing, where this run's failure was dealt with before."""
    same = [record for record in history if record.fingerprint == alert.fingerprint]
    of_run = {record.outcome for record in same if record.run_id == alert.run_id}
    if of_run - {Outcome.UNDELIVERED}:
        return None
    sent_at = [record.at for record in same if record.outcome == Outcome.SENT]
    if sent_at and not alert.since and now - max(sent_at) < QUIET:
        return Outcome.HELD_BACK
    since = max(sent_at, default=None)
    held_back = sum(record.outcome == Outcome.HELD_BACK and (since is None or record.at >= since) for record in same)
    return ToSend(held_back, is_noted=bool(of_run))
