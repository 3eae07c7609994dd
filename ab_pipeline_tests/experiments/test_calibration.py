"""A short profile of `python -m benchmarks calibration`: no promise is missed by more than chance allows."""

from __future__ import annotations

import pytest

from benchmarks.calibration_cells import CELLS, Cell, Found, measure
from benchmarks.calibration_verdicts import CELLS as VERDICT_CELLS
from benchmarks.calibration_verdicts import VerdictCell, shipped_of

SHORT = [cell for cell in CELLS if (cell.ratio, cell.users) in {(1, 100), (99, 100)}]


@pytest.mark.parametrize("cell", SHORT, ids=lambda cell: f"{cell.population.name} {cell.ratio}:1")
def test_no_cell_misses(cell: Cell) -> None:
    found = measure(cell, 200)
    assert found.misses(cell, 200) == []


@pytest.mark.parametrize(
    "cell",
    [
        VerdictCell(1, 1, 0),
        VerdictCell(3, 2, 0),
        VerdictCell(1, 1, 0, effect=True),
        VerdictCell(3, 1, 2, effect=True),
        VerdictCell(1, 1, 1, effect=True, harm=True),
        VerdictCell(1, 1, 0, is_daily=True),
    ],
    ids=str,
)
def test_no_verdict_misses(cell: VerdictCell) -> None:
    assert cell in VERDICT_CELLS
    assert not cell.misses(shipped_of(cell, 300), 300)


def test_what_is_a_miss() -> None:
    """Otherwise the tests above could not fail."""
    [cell, *_] = SHORT
    wrong = Found(better=0.08, worse=0.02, absolute=0.85, relative=0.95, withheld=0.0, ever=0.09)
    assert wrong.misses(cell, 10_000) == ["better", "ever", "absolute"]
    assert VerdictCell(1, 1, 0).misses(0.04, 10_000)
    assert VerdictCell(1, 1, 0, effect=True).misses(0.7, 10_000)
    assert VerdictCell(1, 1, 1, effect=True, harm=True).misses(0.1, 10_000)
