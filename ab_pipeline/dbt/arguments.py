"""The command line that dbt gets, as pure functions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

# dbt refuses an offset here; a window is whole days, so there is no time to lose
_MIDNIGHT = "%Y-%m-%dT00:00:00"


@dataclass(frozen=True)
class DayWindow:
    """The days [start, end), as local midnights."""

    start: datetime
    end: datetime

    def days(self) -> Iterator[str]:
        """Each day, as Dagster names its partitions."""
        for ordinal in range(self.start.toordinal(), self.end.toordinal()):
            yield date.fromordinal(ordinal).isoformat()

    def arguments(self) -> list[str]:
        """The dbt arguments that limit incremental models to these days."""
        return [
            "--event-time-start",
            self.start.strftime(_MIDNIGHT),
            "--event-time-end",
            self.end.strftime(_MIDNIGHT),
        ]


def build_arguments(window: DayWindow | None) -> list[str]:
    """`dbt build` of a window, or of what has no days.

    Unit tests are left out: they check the code, which does not change between two refreshes.
    """
    return ["build", "--exclude-resource-type", "unit_test", *(window.arguments() if window else [])]
