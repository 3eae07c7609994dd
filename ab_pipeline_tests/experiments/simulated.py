"""Experiments whose users come and spend day by day, and all that a page shows of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ab_pipeline.experiments.declaration import Experiment, MetricKind, MetricRole, Variant
from ab_pipeline.experiments.evidence import AssignedUsers, Evidence, RawComparison
from ab_pipeline.experiments.moments import ALL_USERS, Cell
from ab_pipeline.experiments.readout import read_out
from ab_pipeline.experiments.report.page import Report
from ab_pipeline.experiments.series import Bin, DayTotals, Look, Series
from ab_pipeline_tests.experiments.examples import START, experiment, metric
from ab_pipeline_tests.experiments.sums import moments_of

METRICS = (
    metric("revenue", cap=0.99),
    metric("buyers", MetricKind.PROPORTION, MetricRole.SECONDARY),
    metric("clicks_per_view", MetricKind.RATIO, MetricRole.GUARDRAIL, minimum_effect=0.1),
)
SEGMENTS = ("age:18-24", "age:25-34", "age:35-49")
SOURCES = (
    ("Effects, intervals and p-values", "analytics.experiment_results"),
    ("Sums they come from", "analytics.experiment_statistics"),
)
_SHAPE = (3_000, 28)


@dataclass(frozen=True)
class Users:
    """Of one variant: arrays over users, and over users and days."""

    arrived: np.ndarray
    age: np.ndarray
    before: dict[str, np.ndarray]
    daily: dict[str, np.ndarray]

    def totals(self, name: str, day: int) -> tuple[np.ndarray, ...]:
        """y, d, x, z of the users who had arrived."""
        here = self.arrived <= day
        y = {key: values[here, : day + 1].sum(axis=1) for key, values in self.daily.items()}
        x = {key: values[here] for key, values in self.before.items()}
        if name == "clicks_per_view":
            return y["clicks"], y["views"], x["clicks"], x["views"]
        if name == "buyers":
            return (y["revenue"] > 0) * 1.0, np.ones(here.sum()), (x["revenue"] > 0) * 1.0, np.ones(here.sum())
        return y["revenue"], np.ones(here.sum()), x["revenue"], np.ones(here.sum())


def users(rng: np.random.Generator, lift: float) -> Users:
    n, days = _SHAPE
    activity = rng.gamma(1.5, 0.7, n)
    arrived = rng.integers(0, days, n)
    there = np.arange(days) >= arrived[:, None]
    views = rng.poisson(activity[:, None] * 2 * there)
    clicks = rng.binomial(views, 0.2)
    spent = rng.binomial(clicks, 0.2) * rng.lognormal(3, 0.8, (n, days)) * (1 + lift)
    earlier = rng.poisson(activity * 20)
    return Users(
        arrived,
        rng.integers(0, len(SEGMENTS), n),
        {"views": earlier, "clicks": rng.binomial(earlier, 0.2), "revenue": rng.gamma(activity * 2 + 0.01, 20)},
        {"views": views, "clicks": clicks, "revenue": spent},
    )


def simulated(
    lifts: dict[str, float], *, seed: int = 1, last_day: int = 27, lost: float = 0.0, of: Experiment | None = None
) -> Report:
    """Lifts of revenue by variant, the control first; a share of the last variant's users may be lost."""
    rng = np.random.default_rng(seed)
    variants = tuple(Variant(name, place == 0, 1.0) for place, name in enumerate(lifts))
    subject = of or experiment(*variants, pre_period_days=14)
    subject = replace(subject, variants=variants)
    by_variant = {name: users(rng, lift) for name, lift in lifts.items()}
    cells = [cell for day in range(last_day + 1) for cell in cells_of(by_variant, day)]
    counts = evidence_of(by_variant, last_day, lost)
    looks = [read_out(subject, METRICS, cells, counts, START + dt.timedelta(days=day)) for day in range(last_day + 1)]
    series = Series(
        tuple(Look(one.as_of, tuple(r for r in one.results if r.segment == ALL_USERS)) for one in looks),
        tuple(day_totals(by_variant, last_day)),
        tuple(bins(by_variant, last_day)),
    )
    return Report(subject, METRICS, looks[-1], series, SOURCES)


def cells_of(by_variant: dict[str, Users], day: int) -> list[Cell]:
    as_of = START + dt.timedelta(days=day)
    found: list[Cell] = []
    for one in METRICS:
        totals = {name: of.totals(one.metric_id, day) for name, of in by_variant.items()}
        positive = np.concatenate([total[0] for total in totals.values()])
        positive = positive[positive > 0]
        cap = np.quantile(positive, one.cap) if one.cap and len(positive) else None
        for name, (y, d, x, z) in totals.items():
            found.append(Cell("checkout", one.metric_id, name, ALL_USERS, as_of, moments_of(y, d, x, z)))
            if one.cap:
                cut = moments_of(np.minimum(y, cap or 0.0), d, np.minimum(x, cap or 0.0), z)
                found.append(Cell("checkout", one.metric_id, name, ALL_USERS, as_of, cut, True))
            age = by_variant[name].age[by_variant[name].arrived <= day]
            for place, segment in enumerate(SEGMENTS):
                mine = age == place
                sums = moments_of(y[mine], d[mine], x[mine], z[mine])
                found.append(Cell("checkout", one.metric_id, name, segment, as_of, sums))
    return found


def evidence_of(by_variant: dict[str, Users], last_day: int, lost: float) -> Evidence:
    last = list(by_variant)[-1]
    assigned = [
        AssignedUsers(
            name,
            segment,
            START + dt.timedelta(days=day),
            int(mine.sum() * (1 - lost if name == last else 1)),
        )
        for name, of in by_variant.items()
        for place, segment in enumerate((*SEGMENTS, ALL_USERS))
        for day in range(last_day + 1)
        for mine in [(of.arrived == day) & ((of.age == place) | (segment == ALL_USERS))]
    ]
    return Evidence(tuple(assigned), 3, 11, RawComparison((START, START + dt.timedelta(days=27))))


def day_totals(by_variant: dict[str, Users], last_day: int) -> list[DayTotals]:
    found: list[DayTotals] = []
    for name, of in by_variant.items():
        bought = of.daily["revenue"] > 0
        first = bought & (bought.cumsum(axis=1) == 1)
        for day in range(last_day + 1):
            when, new = START + dt.timedelta(days=day), float((of.arrived == day).sum())
            revenue, clicks, views = (float(of.daily[key][:, day].sum()) for key in ("revenue", "clicks", "views"))
            found.append(DayTotals("revenue", name, when, revenue, new))
            found.append(DayTotals("buyers", name, when, float(first[:, day].sum()), new))
            found.append(DayTotals("clicks_per_view", name, when, clicks, views))
    return found


def bins(by_variant: dict[str, Users], last_day: int) -> list[Bin]:
    edges = [0.0, *(2.0**power for power in range(3, 11))]
    found: list[Bin] = []
    for name, of in by_variant.items():
        y = of.totals("revenue", last_day)[0]
        found.append(Bin("revenue", name, 0.0, 0.0, int((y == 0).sum())))
        for low, high in pairwise(edges):
            found.append(Bin("revenue", name, low, high, int(((y > low) & (y <= high)).sum())))
    return found
