"""What sample is asked for, and what was written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ab_pipeline.sample_data.experiments import EXPERIMENTS, LAST_DAY, Experiment

# An event key holds the day since 1970 and the number within the day, side by side in 64 bits.
_LIMITS = {"users": 2**31 - 1, "days": 20_000, "events_per_day": 2**32 - 1}


@dataclass(frozen=True)
class SampleSpec:
    """The size and the seed of a sample. Equal specs give equal rows.

    Raises:
        ValueError: a number is out of range, or none of the demo's experiments runs in the days.
    """

    users: int = 20_000
    days: int = 60
    events_per_day: int = 20_000
    seed: int = 1
    end_date: dt.date = LAST_DAY
    late_share: float = 0.01
    """Share of each day's events that lands after all the others."""
    moved_by: dt.timedelta = dt.timedelta(0)
    """How much later the experiments are; users do the same then, but that weekends are where they are."""

    def __post_init__(self) -> None:
        for name, limit in _LIMITS.items():
            if not 1 <= getattr(self, name) <= limit:
                raise ValueError(f"{name} must be from 1 to {limit:,}, not {getattr(self, name):,}")
        if not 0 <= self.late_share < 1:
            raise ValueError(f"late_share must be at least 0 and below 1, not {self.late_share}")
        if not any(e.start_date <= self.end_date and self.first_day <= e.end_date for e in self.experiments):
            raise ValueError(f"no demo experiment runs between {self.first_day} and {self.end_date}")

    @property
    def experiments(self) -> tuple[Experiment, ...]:
        """Those of the demo, as much later as the sample says."""
        return tuple(
            replace(one, start_date=one.start_date + self.moved_by, end_date=one.end_date + self.moved_by)
            for one in EXPERIMENTS
        )

    @property
    def first_day(self) -> dt.date:
        """The oldest day; `end_date` is the newest."""
        return self.end_date - dt.timedelta(days=self.days - 1)


@dataclass(frozen=True)
class SampleSummary:
    """What was written: rows per raw table, and the days that they span."""

    rows: Mapping[str, int]
    first_day: dt.date
    last_day: dt.date
