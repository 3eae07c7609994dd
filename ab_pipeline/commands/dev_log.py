"""What of Dagster's log a person at a terminal needs: what happened, and why, in a line; not how the code got there."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field

# an exception as a traceback ends with it
_CAUSE = re.compile(r"^(?:[\w]+\.)*(?:\w+(?:Error|Exception|Interrupt|Exit)): (.+)$", re.MULTILINE)
_QUIET_SECONDS = 600


@dataclass
class DevLog:
    """Turns lines of `dagster dev --log-format json` into lines to read."""

    _shown_at: dict[str, float] = field(default_factory=dict)

    def read(self, line: str) -> str | None:
        """What to print; None where it was said already within ten minutes."""
        try:
            record = json.loads(line)
        except ValueError:
            return line.rstrip("\n") or None
        if not isinstance(record, dict) or "event" not in record:
            return line.rstrip("\n")
        cause = _cause_in(record.get("exc_info"))
        text = cause or str(record["event"])
        now = time.monotonic()
        if cause and now - self._shown_at.get(text, -_QUIET_SECONDS) < _QUIET_SECONDS:
            return None
        self._shown_at[text] = now
        at = str(record.get("timestamp", ""))[11:19]
        return f"{at} {str(record.get('level', '')).upper()}: {text}".strip()


def _cause_in(exc_info: object) -> str | None:
    """The message of the exception that was raised first, which Dagster wraps in its own."""
    if not exc_info:
        return None
    text = "\n".join(map(str, exc_info)) if isinstance(exc_info, list) else str(exc_info)
    found = _CAUSE.findall(text.replace("\\n", "\n"))
    return found[-1].strip() if found else None
