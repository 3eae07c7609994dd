"""From values to places on a page, and the round numbers on the way."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Linear, from [low, high] to [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, about: int) -> list[float]:
        """Round values within the domain: multiples of 1, 2, 2.5 or 5 times a power of ten."""
        rough = (self.high - self.low) / about
        power = 10 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]


def domain(values: Iterable[float], *, padding: float = 0.05) -> tuple[float, float]:
    """That holds all values, with a margin; never empty."""
    found = list(values) or [0.0]
    low, high = min(found), max(found)
    margin = (high - low) * padding or abs(high) * padding or 1.0
    return low - margin, high + margin
