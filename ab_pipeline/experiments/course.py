"""What is known of how an experiment went, beside its data."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from ab_pipeline.experiments.series import Look


@dataclass(frozen=True)
class Course:
    """Days and looks before the read-out; by default nothing is known, and the day of the read-out is complete."""

    complete_through: dt.date | None = None
    """The last day that no more events are expected of: there is a newer one, or it is past. None: all are."""
    first_planned_end: dt.date | None = None
    """The end as it was declared first; None where it was not written down."""
    looks: tuple[Look, ...] = ()
    """Of each complete day before the read-out the newest one, in order."""
    corrected: tuple[dt.date, ...] = ()
    """Days that were corrected after the looks of them: a crossing on or after one is none any more."""


NOTHING_KNOWN = Course()
