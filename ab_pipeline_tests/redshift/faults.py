"""What can go wrong with a statement, on demand."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum

from ab_pipeline_tests.redshift.messages import SqlError

SERIALISATION = SqlError(
    "XX000",
    "1023",
    "Serializable isolation violation on table - 100123, transactions forming the cycle are: 4711, 4712 (pid:1073)",
)
DISK_FULL = SqlError("53100", "Disk Full", "error: Disk Full code: 1016 context: node: 0")


class Fault(Enum):
    """How a statement fails."""

    DROP = "the connection ends before the statement runs"
    DROP_AFTER = "the connection ends after the statement ran and before its answer"
    ERROR = "an error instead of the statement"
    SLOW = "it takes long"


@dataclass(frozen=True)
class Injection:
    """A fault at the n-th statement from now, counted from 1, of those that the pattern finds."""

    kind: Fault
    at: int = 1
    pattern: str = ""
    error: SqlError | None = None
    seconds: float = 0
    times: int = 1


@dataclass
class Faults:
    """The one fault that is to come."""

    injection: Injection | None = None
    seen: int = field(default=0, init=False)

    def inject(self, injection: Injection | None) -> None:
        self.injection, self.seen = injection, 0

    def of(self, sql: str) -> Injection | None:
        """The fault of a statement that is about to run."""
        injection = self.injection
        if injection is None or not re.search(injection.pattern, sql, re.IGNORECASE | re.DOTALL):
            return None
        self.seen += 1
        return injection if injection.at <= self.seen < injection.at + injection.times else None

    @property
    def has_struck(self) -> bool:
        return self.injection is not None and self.seen >= self.injection.at
