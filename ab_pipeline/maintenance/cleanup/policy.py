"""How long runs are kept, and how large storage may become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from ab_pipeline.settings import Settings, days_by_name

NEEDED = timedelta(days=3)
"""No policy removes what is younger: sensors look at the runs of two days, and what was believed can be asked for."""


@dataclass(frozen=True)
class Policy:
    """What may go. Age counts from a run's end."""

    keep_days: int
    keep_days_by_status: Mapping[str, int] = field(default_factory=dict)
    keep_days_by_job: Mapping[str, int] = field(default_factory=dict)
    """A job's number wins over that of a status."""
    min_runs_per_job: int = 1
    start_at: int | None = None
    """Bytes in all from which on the oldest runs go before their time ..."""
    stop_at: int | None = None
    """... until so many are left."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The policy that the settings describe."""
        return cls(
            keep_days=settings.cleanup_keep_days,
            keep_days_by_status=days_by_name(settings.cleanup_keep_days_by_status),
            keep_days_by_job=days_by_name(settings.cleanup_keep_days_by_job),
            min_runs_per_job=settings.cleanup_min_runs_per_job,
            start_at=settings.cleanup_start_at,
            stop_at=settings.cleanup_stop_at,
        )

    def keeps(self, job: str, status: str) -> timedelta:
        """How long a run is kept after its end."""
        days = self.keep_days_by_job.get(job, self.keep_days_by_status.get(status, self.keep_days))
        return max(timedelta(days=days), NEEDED)
