"""The calibration of the verdict itself: the sums of normal means are drawn, and read out as an experiment's."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from ab_pipeline.experiments.declaration import Direction, Experiment, Metric, MetricKind, MetricRole, Variant
from ab_pipeline.experiments.evidence import Evidence
from ab_pipeline.experiments.inference import detectable_effect
from ab_pipeline.experiments.moments import ALL_USERS, Cell, Moments
from ab_pipeline.experiments.precision import Family
from ab_pipeline.experiments.readout import read_out
from ab_pipeline.experiments.result import Verdict

DRAWS, DAYS, USERS = 10_000, 56, 5_600
_START = dt.date(2025, 1, 1)
_Z99 = 2.326


@dataclass(frozen=True)
class VerdictCell:
    """An experiment, and what is true of it."""

    primaries: int
    treatments: int
    guardrails: int
    effect: bool = False
    """The first primary metric has the planned effect in the first treatment."""
    harm: bool = False
    """So does the first guardrail have the harm that it allows."""
    is_daily: bool = False
    """It is shipped at the first look that says so. Otherwise it is looked at once, at the end."""

    @property
    def promise(self) -> str:
        """What share may be shipped."""
        if self.harm:
            return "at most 5 %"
        if self.effect:
            return "at least 78 %" if self.is_daily or self.guardrails else "80 % +- 2"
        return "at most 2.5 %"

    def misses(self, shipped: float, draws: int) -> bool:
        """Whether the share lies beyond the promise by more than chance allows, with 99 %."""
        if self.effect and not self.harm:
            chance = _Z99 * math.sqrt(0.8 * 0.2 / draws)
            return shipped + chance < 0.78 or (self.promise == "80 % +- 2" and shipped - chance > 0.82)
        limit = 0.05 if self.harm else 0.025
        return shipped - _Z99 * math.sqrt(limit * (1 - limit) / draws) > limit


_SHAPES = tuple((p, t, g) for p in (1, 3, 5) for t in (1, 2, 4) for g in (0, 1, 2, 4) if g < 2 or t < 4)
CELLS = (
    *(VerdictCell(p, t, g) for p, t, g in _SHAPES),
    *(VerdictCell(p, t, g, effect=True) for p, t, g in _SHAPES),
    *(VerdictCell(p, 1, g, effect=True, harm=True) for p in (1, 3, 5) for g in (1, 2, 4)),
    *(VerdictCell(p, t, g, is_daily=True) for p, t, g in ((1, 1, 0), (3, 2, 0), (5, 4, 0), (1, 1, 2))),
    *(VerdictCell(1, 1, g, effect=True, harm=g > 0, is_daily=True) for g in (0, 1)),
)


def print_verdicts(draws: int = DRAWS, cells: tuple[VerdictCell, ...] = CELLS) -> None:
    """A table in Markdown."""
    print("| primary metrics | treatments | guardrails | true | looks | shipped | promised | misses |")
    print("|---|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor(2) as pool:
        for cell, shipped in zip(cells, pool.map(shipped_of, cells, [draws] * len(cells)), strict=True):
            true = "harm at the margin" if cell.harm else "the planned effect" if cell.effect else "nothing"
            looks = "daily" if cell.is_daily else "the end"
            missed = "misses" if cell.misses(shipped, draws) else ""
            shape = f"{cell.primaries} | {cell.treatments} | {cell.guardrails}"
            print(f"| {shape} | {true} | {looks} | {100 * shipped:.1f} % | {cell.promise} | {missed} |", flush=True)


def shipped_of(cell: VerdictCell, draws: int) -> float:
    """The share of draws that a treatment is shipped in: a wrong one, the right one, or the harmful one."""
    rng = np.random.default_rng([CELLS.index(cell), draws])
    variants = tuple(Variant(f"v{n}", n == 0, 1.0) for n in range(cell.treatments + 1))
    last = _START + dt.timedelta(days=DAYS - 1)
    experiment = Experiment("e", "e", "why", "who", _START, last, 0, 1.0, variants)
    family = Family(cell.primaries * cell.treatments, cell.guardrails)
    error = math.sqrt(2 / USERS)
    planned, margin = (
        detectable_effect(error, family.alpha(role), family.power)
        for role in (MetricRole.PRIMARY, MetricRole.GUARDRAIL)
    )
    metrics = [
        *(_metric(f"p{n}", MetricRole.PRIMARY, planned) for n in range(cell.primaries)),
        *(_metric(f"g{n}", MetricRole.GUARDRAIL, margin) for n in range(cell.guardrails)),
    ]
    truth = np.ones((len(variants), len(metrics)))
    if cell.effect:
        truth[1, 0] += planned
    if cell.harm:
        # so large that nothing but the guardrail stands in the way
        truth[1, 0] += planned
        truth[1, cell.primaries] -= margin
    shipped = 0
    for _ in range(draws):
        for day, sums in _looks(rng, truth, is_daily=cell.is_daily):
            users = USERS * day // DAYS
            as_of = _START + dt.timedelta(days=day - 1)
            cells = [
                Cell("e", metric.metric_id, variant.variant_id, ALL_USERS, as_of, _moments(users, sums[v, m]))
                for m, metric in enumerate(metrics)
                for v, variant in enumerate(variants)
            ]
            if cell.is_daily and not _may_ship(sums, users, cell.primaries):
                continue
            readout = read_out(experiment, metrics, cells, Evidence((), None, None), as_of)
            if readout.verdict == Verdict.SHIP:
                shipped += not cell.effect or readout.winner == "v1"
                break
    return shipped / draws


def _looks(rng: np.random.Generator, truth: np.ndarray, *, is_daily: bool) -> Iterator[tuple[int, np.ndarray]]:
    """Day and sums; users' deviation is as large as the mean."""
    if not is_daily:
        yield DAYS, USERS * truth + rng.normal(0.0, math.sqrt(USERS), truth.shape)
        return
    per_day = USERS // DAYS
    daily = per_day * truth + rng.normal(0.0, math.sqrt(per_day), (DAYS, *truth.shape))
    yield from enumerate(daily.cumsum(axis=0), start=1)


def _may_ship(sums: np.ndarray, users: int, primaries: int) -> bool:
    """No look ships within 1.9 standard errors of the control."""
    return bool(((sums[1:, :primaries] - sums[0, :primaries]) / math.sqrt(2 * users) > 1.9).any())


def _metric(name: str, role: MetricRole, minimum_effect: float) -> Metric:
    return Metric(name, MetricKind.MEAN, name, None, None, Direction.INCREASE, role, minimum_effect)


def _moments(users: int, y: float) -> Moments:
    n, yy = float(users), users - 1 + y * y / users
    # a third power without skewness
    mean = y / n
    yyy = 3 * mean * yy - 2 * n * mean**3
    return Moments(users, y, n, 0.0, n, yy, n, 0.0, n, y, 0.0, y, 0.0, n, 0.0, yyy, yy, y, n, 0.0, 0.0, 0.0)
