"""The story of a run, as it is archived: one JSON object, which no version of Dagster is needed to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self


@dataclass(frozen=True)
class Log:
    """What a process of a run printed."""

    steps: tuple[str, ...]
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Story:
    """All that is left of a run."""

    run_id: str
    job: str
    status: str
    created_at: float
    """Seconds since 1970, as all times here."""
    started_at: float | None
    ended_at: float
    run: dict[str, Any]
    """The run as Dagster stores it: tags, configuration, parents."""
    events: tuple[dict[str, Any], ...]
    """The events as Dagster stores them, in order."""
    logs: tuple[Log, ...]

    def to_line(self) -> str:
        """One line of JSON; the run's id comes first."""
        # dataclasses.asdict would copy every value of every event
        return json.dumps({**vars(self), "logs": [vars(log) for log in self.logs]}, separators=(",", ":"))

    @classmethod
    def from_line(cls, line: str) -> Self:
        """What `to_line` wrote."""
        fields = json.loads(line)
        logs = tuple(Log(tuple(log["steps"]), log["stdout"], log["stderr"]) for log in fields.pop("logs"))
        return cls(**{**fields, "events": tuple(fields["events"])}, logs=logs)

    def lines(self) -> Iterator[str]:
        """The story for a reader: when what happened, and why it failed."""
        for event in self.events:
            happened = event.get("dagster_event") or {}
            words = (happened.get("event_type_value"), happened.get("step_key") or event.get("step_key"))
            message = event.get("user_message") or happened.get("message") or event.get("message") or ""
            yield " ".join([_clock(event["timestamp"]), *filter(None, words), message.strip()])
            data = happened.get("event_specific_data") or {}
            yield from (f"    {line}" for line in _error(data.get("error") or event.get("error_info")))


def id_in(line: str) -> str:
    """The run id of a line, without reading the rest."""
    return line[len('{"run_id":"') :].partition('"')[0]


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _error(error: dict[str, Any] | None) -> Iterator[str]:
    """The message of an error with its stack, and what caused it."""
    while error:
        yield from (error.get("message") or "").splitlines()
        yield from (line for frame in error.get("stack") or () for line in frame.splitlines())
        error = error.get("cause")
        if error:
            yield "caused by"
