"""What the gates ask of the data beside the moments: counts of users, and sums that have to agree."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True)
class AssignedUsers:
    """Users of a variant and segment who were assigned on a day. Those in several variants are not counted."""

    variant_id: str
    segment: str
    """`ALL_USERS`, or a segment such as `age:18-24`."""
    assigned_on: dt.date | None
    """None when raw data does not say; then there is one row a variant and segment."""
    users: int


@dataclass(frozen=True)
class Reconciliation:
    """A measure summed over the units of an experiment, and over the raw rows they come from."""

    measure: str
    raw: float
    units: float


@dataclass(frozen=True)
class Evidence:
    """The counts of one experiment as of a day."""

    assigned: tuple[AssignedUsers, ...]
    users_in_several_variants: int | None
    """None where users have no names."""
    users_without_metadata: int | None
    """None where there is no such thing, as in a single file."""
    reconciliations: tuple[Reconciliation, ...] = ()
    rolled_back_days: tuple[dt.date, ...] = ()
    """Not in the reconciliations: such a day has the rows of another build than its events."""
