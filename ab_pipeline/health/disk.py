"""Whether a disk is nearly full."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

_LEAST_BYTES = 1_000_000_000
_LEAST_SHARE = 0.05
# five percent of a large disk last for years
_ENOUGH_BYTES = 20_000_000_000


def existing(folder: Path) -> Path:
    """A folder, or the nearest above it that is there."""
    return next(one for one in (folder, *folder.parents) if one.exists())


@dataclass(frozen=True)
class Disk:
    """The file system that a folder is in."""

    folder: Path
    free: int
    total: int

    @classmethod
    def of(cls, folder: Path) -> Disk:
        """The one of a folder, or of the nearest above it that exists."""
        usage = shutil.disk_usage(existing(folder))
        return cls(folder, usage.free, usage.total)

    @property
    def problem(self) -> str | None:
        """That little is left."""
        is_small_share = self.free < _LEAST_SHARE * self.total and self.free < _ENOUGH_BYTES
        if self.free >= _LEAST_BYTES and not is_small_share:
            return None
        share = self.free / self.total if self.total else 0.0
        return f"the disk of {self.folder} has {self.free / 1e9:.1f} GB left, {share:.0%} of it"
