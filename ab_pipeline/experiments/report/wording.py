"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ab_pipeline.experiments.declaration import Metric, MetricKind

PERCENT = "\N{NO-BREAK SPACE}%"
MISSING = "\N{EN DASH}"


def number(value: float | None) -> str:
    """Four digits that count: `1,234`, `12.34`, `0.001234`."""
    if value is None:
        return MISSING
    size = 0 if not value else math.floor(math.log10(abs(value)))
    if size < -5:
        return f"{value:.2e}"
    return f"{value:,.{max(0, 3 - size)}f}"


def levels(values: Sequence[float | None], metric: Metric) -> list[str]:
    """Means in the metric's unit, the same for all: shares as per cent."""
    if is_share(metric, values):
        return [MISSING if value is None else f"{100 * value:.2f}{PERCENT}" for value in values]
    return [number(value) for value in values]


def is_share(metric: Metric, values: Iterable[float | None]) -> bool:
    """Whether per cent is the unit: of clicks per view it is, of revenue per order it is not."""
    if metric.kind == MetricKind.RATIO:
        return all(0 <= value <= 1 for value in values if value is not None)
    return metric.kind == MetricKind.PROPORTION


def change(value: float | None) -> str:
    """A relative effect: `+12.3 %`. No change has no sign."""
    if value is None:
        return MISSING
    text = f"{100 * value:+.1f}"
    return f"{text if float(text) else '0.0'}{PERCENT}"


def signed_tick(value: float) -> str:
    """A round relative effect at an axis: `+20 %`."""
    return f"{100 * value:+.3g}{PERCENT}" if value else f"0{PERCENT}"


def share(value: float) -> str:
    """`5 %`, `0.25 %`."""
    return f"{100 * value:.3g}{PERCENT}"


def tick(value: float) -> str:
    """A number at an axis, three digits long: `12,300`, `2.5`."""
    return f"{float(f'{value:.3g}'):,.12g}"


def unbroken(text: str) -> str:
    """A sentence whose numbers stay with their per cent sign."""
    return text.replace(" %", PERCENT)


def p_value(value: float | None) -> str:
    """`0.034`; below a thousandth only that it is."""
    if value is None:
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
