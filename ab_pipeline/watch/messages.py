"""Who is told that a part is down, and that it is back: each outage once, and every outage."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ab_pipeline.automation.alert import Alert, Outcome, Record
from ab_pipeline.automation.alert_file import AlertFile
from ab_pipeline.automation.channels import Deliver
from ab_pipeline.automation.slack import DeliveryError
from ab_pipeline.watch.part import Reading, Status, utc

PATIENCE_SECONDS = 60.0
FILE = "watch.json"
_logger = logging.getLogger("ab_pipeline.watch")


@dataclass
class Messages:
    """The outages that were told of are kept in a file, so that a watch that starts again tells none twice."""

    path: Path
    alerts: AlertFile
    deliver: Deliver
    link: str
    _told: dict[str, float] | None = None
    """Since when each part that was told of has been down."""
    _undelivered: set[str] = field(default_factory=set)

    def tell(self, readings: Mapping[str, Reading], now: float) -> None:
        """What is news. What could not be delivered is news the next time."""
        told = self._told if self._told is not None else _read(self.path)
        self._told = told
        for name, one in readings.items():
            if one.status == Status.DOWN and name not in told and now - one.since >= PATIENCE_SECONDS:
                text = f"DOWN: {name} since {utc(one.since)}\n> {one.says}\n{self.link}"
                if self._sent(name, text, one, "ERROR", now):
                    self._remember({**told, name: one.since})
            elif one.status == Status.UP and name in told:
                minutes = (one.since - told[name]) / 60
                text = f"UP: {name} is back after {minutes:.0f} minutes\n> {one.says}\n{self.link}"
                if self._sent(name, text, one, "RECOVERED", now):
                    self._remember({other: since for other, since in told.items() if other != name})
            told = self._told

    def _sent(self, name: str, text: str, one: Reading, severity: str, now: float) -> bool:
        outcome, key = Outcome.SENT, f"{severity} {name} {one.since}"
        try:
            self.deliver(text)
        except DeliveryError as error:
            _logger.error("not delivered, and tried again: %s", error)
            outcome = Outcome.UNDELIVERED
        if outcome == Outcome.SENT or key not in self._undelivered:
            self._write(name, one, severity, outcome, now)
        if outcome == Outcome.SENT:
            self._undelivered.discard(key)
        else:
            self._undelivered.add(key)
        return outcome == Outcome.SENT

    def _write(self, name: str, one: Reading, severity: str, outcome: Outcome, now: float) -> None:
        alert = Alert(
            run_id=f"watch {name} {utc(one.since)}",
            job="",
            subjects=(f"watch: {name}",),
            severity=severity,
            owners=(),
            days="",
            error=(one.says,),
            since=utc(one.since),
        )
        try:
            self.alerts.append(Record.of(alert, self.link, dt.datetime.fromtimestamp(now, dt.UTC), outcome, 0))
        except OSError as error:
            _logger.error("%s cannot be written: %s", self.alerts.path, error)

    def _remember(self, told: dict[str, float]) -> None:
        self._told = told
        try:
            partial = self.path.with_name(f".{self.path.name}.partial")
            partial.write_text(json.dumps(told))
            partial.replace(self.path)
        except OSError as error:
            # a full disk is no reason to tell it every five seconds
            _logger.error("%s cannot be written: %s", self.path, error)


def _read(path: Path) -> dict[str, float]:
    try:
        return {str(name): float(since) for name, since in json.loads(path.read_bytes()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}
