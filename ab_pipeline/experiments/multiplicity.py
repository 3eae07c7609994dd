"""p-values of a family, adjusted. None stands for a test that could not be made, and counts for nothing."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """The chance of any false finding in the family stays below alpha (Holm, Scand. J. Statist. 1979)."""
    made = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(made):
        highest = max(highest, min(1.0, (len(made) - rank) * p))
        adjusted[index] = highest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """The expected share of false findings stays below alpha (Benjamini and Hochberg, JRSS B 1995)."""
    from scipy.stats import false_discovery_control

    made = [p for p in p_values if p is not None]
    adjusted = iter(false_discovery_control(made).tolist() if made else [])
    return [None if p is None else next(adjusted) for p in p_values]
