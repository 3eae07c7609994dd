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
class RawComparison:
    """Days of an experiment's data, as the tables were built beside what the raw table holds."""

    compared: tuple[dt.date, ...]
    not_built: tuple[dt.date, ...] = ()
    """The raw table has rows of them, the tables none."""
    differing: tuple[dt.date, ...] = ()
    """Built from other rows than the raw table holds, and so they were at the comparison before."""
    on_their_way: tuple[dt.date, ...] = ()
    """The same, found for the first time: the refresh that builds them may not have begun."""
    rolled_back: tuple[dt.date, ...] = ()
    """Taken back to the build before, on purpose."""

    def up_to(self, day: dt.date) -> RawComparison:
        """Of the days up to one, included."""
        return RawComparison(*(tuple(one for one in days if one <= day) for days in vars(self).values()))


@dataclass(frozen=True)
class Evidence:
    """The counts of one experiment as of a day."""

    assigned: tuple[AssignedUsers, ...]
    users_in_several_variants: int | None
    """None where users have no names."""
    users_without_metadata: int | None
    """None where there is no such thing, as in a single file."""
    raw: RawComparison | None = None
    """None where there is no raw table beside the data."""
