"""The alerts file: what was reported, a JSON line each, and so the memory of it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from ab_pipeline.automation.alert import Outcome, Record

# far more than a day's alerts; what is older is for people only
_READ_BYTES = 2_000_000


@dataclass(frozen=True)
class AlertFile:
    """Lines are appended, and old ones forgotten, under a lock on the file."""

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
        with self._locked() as file:
            file.write(b"\n" * bool(file.tell()) + json.dumps(asdict(record), default=datetime.isoformat).encode())
            file.flush()
            os.fsync(file.fileno())

    def forget(self, before: datetime) -> int:
        """Drop the lines from before a time, and those that cannot be read; their number."""
        if not self.path.exists():
            return 0
        with self._locked():
            lines = [line for line in self.path.read_bytes().splitlines() if line]
            kept = [line for line in lines if (record := _parse(line)) and record.at >= before]
            if len(kept) < len(lines):
                shorter = self.path.with_name(f"{self.path.name}.new")
                with shorter.open("wb") as file:
                    file.write(b"\n".join(kept))
                    file.flush()
                    os.fsync(file.fileno())
                shorter.replace(self.path)
        return len(lines) - len(kept)

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        while True:
            with self.path.open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                # or it was replaced while this one waited
                if os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                    # or it was still empty when it was opened
                    file.seek(0, os.SEEK_END)
                    yield file
                    return


def _parse(line: bytes) -> Record | None:
    try:
        fields = json.loads(line)
        return Record(**{**fields, "at": datetime.fromisoformat(fields["at"]), "outcome": Outcome(fields["outcome"])})
    except (ValueError, KeyError, TypeError):
        return None
