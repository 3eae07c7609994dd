"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    says: str
    """A sentence."""
    remedy: str = ""
    """What to do."""


def ok(says: str) -> Finding:
    """As it should be."""
    return Finding(Level.OK, says)


def warn(says: str, remedy: str) -> Finding:
    """It works, but not as it should."""
    return Finding(Level.WARN, says, remedy)


def fail(says: str, remedy: str) -> Finding:
    """It does not work, or not safely."""
    return Finding(Level.FAIL, says, remedy)
