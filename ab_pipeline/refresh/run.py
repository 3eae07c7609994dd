"""A run of the job `refresh`, wherever it goes: how far it is, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from ab_pipeline.refresh.days import Days

ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})
SUCCESS = "SUCCESS"


@dataclass(frozen=True)
class Standing:
    """How far a run is."""

    status: str
    """Dagster's."""
    built: int = 0
    """Assets that are recorded, of each day."""
    of: int = 0
    """How many there will be; 0 if nobody knows."""
    why: str = ""
    """Why it failed, if it did and that is known."""


class Dagster(Protocol):
    """Where runs go."""

    @property
    def place(self) -> str:
        """What a person is told of it."""
        ...

    def start(self, days: Days) -> str:
        """Start, or queue, the refresh of some days; the run's id.

        Raises:
            RefreshError: it was refused.
        """
        ...

    def standing(self, run_id: str) -> Standing:
        """How far the run is.

        Raises:
            RefreshError: nobody answers.
        """
        ...


def tags_of(days: Days) -> dict[str, str]:
    """As Dagster reads them."""
    return {
        ASSET_PARTITION_RANGE_START_TAG: days.first.isoformat(),
        ASSET_PARTITION_RANGE_END_TAG: days.last.isoformat(),
    }
