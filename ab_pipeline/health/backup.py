"""Whether there is a backup that one could go back to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from ab_pipeline.maintenance.backup.catalog import Backup

# nightly, and it may take its time
OLDEST = dt.timedelta(hours=26)
# the drill is weekly
OLDEST_VERIFIED = dt.timedelta(days=8)


@dataclass(frozen=True)
class BackupState:
    """The newest of them."""

    newest_at: dt.datetime | None
    verified_at: dt.datetime | None
    """When the newest backup that is verified was made."""
    damaged: tuple[str, ...]

    @classmethod
    def of(cls, listed: Sequence[Backup]) -> BackupState:
        """As the catalogue lists them."""
        made = [(one.manifest.created_at, one.verified_at is not None) for one in listed if one.manifest]
        return cls(
            max((at for at, _ in made), default=None),
            max((at for at, is_verified in made if is_verified), default=None),
            tuple(one.name for one in listed if one.manifest is None),
        )

    def problems(self, location: str, now: dt.datetime) -> list[str]:
        """What is not as it should be where backups are made by the clock."""
        if self.newest_at is None:
            return [f"{location} holds no backup"]
        found = []
        if now - self.newest_at > OLDEST:
            found.append(f"the newest backup is of {self.newest_at:%Y-%m-%d %H:%M} UTC, more than a day ago")
        if self.verified_at is None:
            found.append("no backup was ever restored by the drill, so none is verified")
        elif now - self.verified_at > OLDEST_VERIFIED + OLDEST:
            found.append(f"the newest verified backup is of {self.verified_at:%Y-%m-%d %H:%M} UTC")
        if self.damaged:
            found.append(f"damaged in {location}: {', '.join(self.damaged)}")
        return found
