"""The cells of the calibration: what is drawn, with what shares and users, and what the read-out says of it.

Users' totals are drawn once, a hundred thousand blocks of ten; a variant of n users is n / 10 blocks of them, so that a
draw is one of sums. Proportions are drawn as numbers of events.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np

from ab_pipeline.experiments.declaration import Direction, Metric, MetricKind, MetricRole
from ab_pipeline.experiments.inference import ALPHA
from ab_pipeline.experiments.moments import ALL_USERS, Moments
from ab_pipeline.experiments.result import MetricResult
from ab_pipeline.experiments.subject import Subject

DRAWS, LOOKS, LIFT = 10_000, 60, 0.1
_BLOCK, _BLOCKS = 10, 50_000
_NAMES = (
    *("y", "d", "x", "z", "yy", "dd", "xx", "zz", "yd", "yx", "yz", "dx", "dz", "xz"),
    *("yyy", "yyd", "ydd", "ddd", "yyx", "yxx", "xxx"),
)
_Z99 = 2.326
_Totals = Callable[[np.random.Generator, int], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Population:
    """Whose totals are drawn."""

    name: str
    kind: MetricKind
    totals: _Totals | None = None
    """Of so many users; None for a proportion, which is a number of events."""
    share: float = 0.0
    is_capped: bool = False
    has_pre_period: bool = False


def _spent(rng: np.random.Generator, n: int) -> np.ndarray:
    return (rng.random(n) < 0.2) * rng.lognormal(2.0, 1.2, n)


def _views(rng: np.random.Generator, views: np.ndarray) -> dict[str, np.ndarray]:
    return {"y": views * rng.beta(2.0, 8.0, len(views)), "d": views}


def _cuped(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    activity, own = rng.gamma(1.0, 1.0, n), rng.lognormal(0.0, 0.8, (2, n))
    return {"y": activity + own[0], "x": activity + own[1]}


POPULATIONS = (
    *(Population(f"proportion {share:g}", MetricKind.PROPORTION, share=share) for share in (0.001, 0.01, 0.1, 0.5)),
    Population("count .05", MetricKind.COUNT, lambda rng, n: {"y": 1.0 * rng.poisson(rng.gamma(0.5, 0.1, n))}),
    Population("zero-inflated log-normal", MetricKind.MEAN, lambda rng, n: {"y": _spent(rng, n)}),
    Population("the same, capped", MetricKind.MEAN, lambda rng, n: {"y": _spent(rng, n)}, is_capped=True),
    Population("Pareto 1.5", MetricKind.MEAN, lambda rng, n: {"y": rng.pareto(1.5, n) + 1}),
    Population("ratio, log-normal denominators", MetricKind.RATIO, lambda rng, n: _views(rng, rng.lognormal(1, 1, n))),
    Population("ratio, Pareto denominators", MetricKind.RATIO, lambda rng, n: _views(rng, rng.pareto(1.5, n) + 1)),
    Population("CUPED", MetricKind.MEAN, _cuped, has_pre_period=True),
)
SHARES = (1, 9, 99)
"""Users of the control to one of the treatment."""
SMALLER = (30, 100, 1_000, 10_000)
"""Users of the treatment, up to a hundred thousand in all."""
MOST_USERS = 100_000


@dataclass(frozen=True)
class Cell:
    """One line of the table."""

    population: Population
    ratio: int
    users: int

    @property
    def sizes(self) -> tuple[int, int]:
        """Of control and treatment."""
        return self.ratio * self.users, self.users


CELLS = tuple(
    Cell(population, ratio, users)
    for population, ratio, users in product(POPULATIONS, SHARES, SMALLER)
    if (ratio + 1) * users <= MOST_USERS
)


@dataclass(frozen=True)
class Found:
    """Shares of the draws, and None where there was no draw with a number."""

    better: float
    """False, of all draws."""
    worse: float
    absolute: float | None
    """Of the intervals there are, with a true effect of 10 %."""
    relative: float | None
    withheld: float
    ever: float | None
    """A/A, the always-valid test at any of 60 looks; None where there are too few users for 60 days."""

    def misses(self, cell: Cell, draws: int) -> list[str]:
        """What lies beyond its promise by more than chance allows, with 99 %."""

        def above(found: float, promise: float) -> bool:
            return found - _Z99 * math.sqrt(promise * (1 - promise) / draws) > promise

        told = [name for name in ("better", "worse") if above(getattr(self, name), ALPHA / 2)]
        if self.ever is not None and above(self.ever, ALPHA):
            told.append("ever")
        numbers = draws * (1 - self.withheld)
        for name in ("absolute", "relative") if cell.users >= 100 and numbers > 100 else ():
            covered = getattr(self, name)
            if covered is not None and covered + _Z99 * math.sqrt(0.94 * 0.06 / numbers) < 0.94:
                told.append(name)
        return told


def calibrate_cells(draws: int = DRAWS, cells: tuple[Cell, ...] = CELLS) -> Iterator[tuple[Cell, Found]]:
    """Every cell, on two processes."""
    with ProcessPoolExecutor(2) as pool:
        yield from zip(cells, pool.map(measure, cells, [draws] * len(cells)), strict=True)


def print_cells(draws: int = DRAWS, cells: tuple[Cell, ...] = CELLS) -> None:
    """A table in Markdown."""
    print(f"| totals | users | better | worse | covers | relative | ever in {LOOKS} looks | withheld | misses |")
    print("|---|---|---|---|---|---|---|---|---|")
    for cell, found in calibrate_cells(draws, cells):
        numbers = (found.better, found.worse, found.absolute, found.relative, found.ever, found.withheld)
        shown = " | ".join("-" if one is None else f"{100 * one:.1f}" for one in numbers)
        sizes = " : ".join(f"{n:,}" for n in cell.sizes)
        print(f"| {cell.population.name} | {sizes} | {shown} | {', '.join(found.misses(cell, draws))} |", flush=True)


def measure(cell: Cell, draws: int) -> Found:
    """Seeded by the cell."""
    rng = np.random.default_rng([CELLS.index(cell), draws])
    null = [_row(cell, pair) for pair in _pairs(cell, rng, draws, 0.0)]
    effects = [_row(cell, pair) for pair in _pairs(cell, rng, draws, LIFT)]
    found = [row for row in null if row.p_value is not None and row.p_value < ALPHA]
    truth = _mean(cell.population) * LIFT
    absolute = [_covers(row.absolute_ci_low, row.absolute_ci_high, truth) for row in effects if row.p_value is not None]
    relative = [_covers(row.relative_ci_low, row.relative_ci_high, LIFT) for row in effects if row.p_value is not None]
    return Found(
        sum((row.absolute_effect or 0.0) > 0 for row in found) / draws,
        sum((row.absolute_effect or 0.0) < 0 for row in found) / draws,
        float(np.mean(absolute)) if absolute else None,
        float(np.mean(relative)) if relative else None,
        sum(row.p_value is None for row in null) / draws,
        _ever(cell, rng, max(200, draws // 10)) if cell.users >= LOOKS * _BLOCK else None,
    )


def _covers(low: float | None, high: float | None, truth: float) -> bool:
    """An interval without an end leaves nothing out."""
    return low is None or high is None or low <= truth <= high


def _subject(cell: Cell, pair: tuple[Moments, Moments]) -> Subject:
    population = cell.population
    denominator = "d" if population.kind == MetricKind.RATIO else None
    of = ("y", population.kind, "y", denominator, None, Direction.INCREASE, MetricRole.PRIMARY, 0.05)
    return Subject(Metric(*of), "on", "off", ALL_USERS, population.has_pre_period, pair, None)


def _row(cell: Cell, pair: tuple[Moments, Moments]) -> MetricResult:
    if cell.population.kind == MetricKind.PROPORTION:
        return _row_of_events(cell, int(pair[0].y), int(pair[1].y))
    return _subject(cell, pair).best_row()


@cache
def _row_of_events(cell: Cell, off: int, on: int) -> MetricResult:
    """Draws of few events repeat themselves."""
    return _subject(cell, (_events(off, cell.sizes[0]), _events(on, cell.sizes[1]))).best_row()


def _ever(cell: Cell, rng: np.random.Generator, draws: int) -> float:
    """The share of A/A experiments that the always-valid test ever stops, looking after each sixtieth of the users."""
    parts = replace(cell, users=cell.users // LOOKS // _BLOCK * _BLOCK)
    stopped = 0
    for _ in range(draws):
        sides = zip(*_pairs(parts, rng, LOOKS, 0.0), strict=True)
        steps = [np.array([[getattr(one, name) for name in _NAMES] for one in side], dtype=float) for side in sides]
        sums = [side.cumsum(axis=0) for side in steps]
        stopped += any(_crosses(parts, look, sums) for look in range(LOOKS))
    return stopped / draws


def _crosses(parts: Cell, look: int, sums: list[np.ndarray]) -> bool:
    sizes = [n * (look + 1) for n in parts.sizes]
    means = [side[look, 0] / max(side[look, 1], 1.0) for side in sums]
    errors = [(side[look, 4] / n - (side[look, 0] / n) ** 2) / n for side, n in zip(sums, sizes, strict=True)]
    # no sequence ever stops within two standard errors; ratios and CUPED have other ones, and are always asked
    is_plain = parts.population.kind != MetricKind.RATIO and not parts.population.has_pre_period
    if is_plain and (means[0] - means[1]) ** 2 < 4 * sum(errors):
        return False
    off, on = (Moments(n, *side[look].tolist()) for n, side in zip(sizes, sums, strict=True))
    p_value = _subject(parts, (off, on)).always_valid_row().p_value
    return p_value is not None and p_value < ALPHA


def _pairs(cell: Cell, rng: np.random.Generator, draws: int, lift: float) -> Iterator[tuple[Moments, Moments]]:
    population = cell.population
    if population.kind == MetricKind.PROPORTION:
        rates = population.share, population.share * (1 + lift)
        off, on = (rng.binomial(n, rate, draws) for n, rate in zip(cell.sizes, rates, strict=True))
        for k, m in zip(off.tolist(), on.tolist(), strict=True):
            yield _events(k, cell.sizes[0]), _events(m, cell.sizes[1])
        return
    plain, lifted = _blocks(population, 0.0), _blocks(population, lift)
    for _ in range(draws):
        sides = [
            blocks[rng.integers(0, _BLOCKS, n // _BLOCK)].sum(axis=0)
            for n, blocks in zip(cell.sizes, (plain, lifted), strict=True)
        ]
        off, on = (Moments(n, *side.tolist()) for n, side in zip(cell.sizes, sides, strict=True))
        yield off, on


@cache
def _blocks(population: Population, lift: float) -> np.ndarray:
    totals = _users(population)
    totals = {**totals, "y": totals["y"] * (1 + lift)}
    if population.is_capped:
        cap = _cap(population)
        totals["y"] = np.minimum(_users(population)["y"], cap) * (1 + lift)
    columns = [np.prod([totals[letter] for letter in name], axis=0) for name in _NAMES]
    return np.stack([column.reshape(_BLOCKS, _BLOCK).sum(axis=1) for column in columns], axis=1)


@cache
def _users(population: Population) -> dict[str, np.ndarray]:
    assert population.totals
    n = _BLOCK * _BLOCKS
    ones = np.ones(n)
    return {"d": ones, "x": 0 * ones, "z": ones, **population.totals(np.random.default_rng(1), n)}


def _cap(population: Population) -> float:
    y = _users(population)["y"]
    return float(np.quantile(y[y > 0], 0.99))


@cache
def _mean(population: Population) -> float:
    """Of the users there are to draw from."""
    if population.kind == MetricKind.PROPORTION:
        return population.share
    sums = _blocks(population, 0.0).sum(axis=0)
    return float(sums[0] / sums[1])


@cache
def _events(events: int, users: int) -> Moments:
    n, y = float(users), float(events)
    return Moments(users, y, n, 0.0, n, y, n, 0.0, n, y, 0.0, y, 0.0, n, 0.0)
