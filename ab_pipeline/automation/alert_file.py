"""The alerts file: what was reported, a JSON line each, and so the memory of it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from ab_pipeline.automation.alert import Outcome, Record

# far more than a day's alerts; what is older is for people only
_READ_BYTES = 2_000_000


@dataclass(frozen=True)
class AlertFile:
    """Lines are only ever appended."""

    path: Path

    def records(self) -> list[Record]:
        """The newest records. A line that is cut off or was edited by hand counts as never written."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - _READ_BYTES))
            lines = file.read().splitlines()
        return [record for line in lines if (record := _parse(line))]

    def append(self, record: Record) -> None:
        """Add a line, on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # a line that a crash cut off must not swallow this one
        with self.path.open("ab") as file:
            file.write(b"\n" * bool(file.tell()) + json.dumps(asdict(record), default=datetime.isoformat).encode())
            file.flush()
            os.fsync(file.fileno())


def _parse(line: bytes) -> Record | None:
    try:
        fields = json.loads(line)
        return Record(**{**fields, "at": datetime.fromisoformat(fields["at"]), "outcome": Outcome(fields["outcome"])})
    except (ValueError, KeyError, TypeError):
        return None
