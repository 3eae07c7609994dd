"""Whether the read-out's promises hold: false positives, coverage and CUPED on simulated experiments, seeded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ab_pipeline.experiments.inference import ALPHA, Comparison, Inference, always_valid, planned_test
from ab_pipeline.experiments.moments import Moments
from ab_pipeline.experiments.samples import adjusted_samples, raw_samples
from benchmarks.calibration_cells import print_cells
from benchmarks.calibration_verdicts import print_verdicts
from benchmarks.measure import seconds_of

EXPERIMENTS, USERS, DAYS = 2_000, 4_000, 60
_PAIRS = ("yy", "dd", "xx", "zz", "yd", "yx", "yz", "dx", "dz", "xz")
_Totals = dict[str, np.ndarray]
LIFT = 0.1


def calibrate() -> None:
    """Print every promise and what came of it."""
    for kind in ("mean", "count", "proportion", "ratio", "winsorized", "cuped", "cuped ratio"):
        found = list(_experiments(kind, lift=0.0, seed=1))
        _print(f"false positives, {kind}", sum(one.p_value < ALPHA for one, _ in found) / len(found), "5 % +- 1")
        covered = [
            (low <= truth <= high, relative_low <= LIFT <= relative_high)
            for one, truth in _experiments(kind, lift=LIFT, seed=2)
            if one.relative
            for _, low, high in [one.absolute]
            for _, relative_low, relative_high in [one.relative]
        ]
        absolute, relative = np.mean(covered, axis=0)
        _print(f"coverage, {kind}, absolute", absolute, "95 % +- 1")
        # the truth of a capped mean is that of the cap, which is drawn anew each time
        if kind != "winsorized":
            _print(f"coverage, {kind}, relative", relative, "95 % +- 1")
    print_cells()
    print_verdicts()
    looks = _ever_significant(seed=3)
    for planned, share in looks.items():
        goal = "for comparison" if planned is None else "at most 5 %"
        what = "the planned test" if planned is None else f"always valid, planned effect {100 * planned:g} %"
        _print(f"false positives in {DAYS} looks, {what}", share, goal)
    ours, theirs = _milliseconds_a_row()
    print(f"a row of results: {ours:.2f} ms, tea-tasting's own test {theirs:.2f} ms", flush=True)
    for rho in (0.3, 0.6, 0.9):
        found, expected = _variance_left(rho, seed=4)
        print(f"cuped, rho {rho}: {found:.3f} of the variance is left (goal: 1 - rho^2 = {expected:.3f})", flush=True)


def _experiments(kind: str, *, lift: float, seed: int) -> Iterator[tuple[Inference, float]]:
    """The test of each, and the true absolute effect."""
    rng = np.random.default_rng(seed)
    for _ in range(EXPERIMENTS):
        control, treatment = _totals(kind, rng, 0.0), _totals(kind, rng, lift)
        truth = _mean(kind) * lift
        if kind == "winsorized":
            pooled = np.concatenate([control["y"], treatment["y"]])
            cap = np.quantile(pooled[pooled > 0], 0.99, method="inverted_cdf")
            # a large population's means under this very cap
            truth = _capped_mean(cap / (1 + lift)) * (1 + lift) - _capped_mean(cap)
            control["y"], treatment["y"] = np.minimum(control["y"], cap), np.minimum(treatment["y"], cap)
        samples = adjusted_samples if kind.startswith("cuped") else raw_samples
        pair = samples(_moments(control), _moments(treatment), is_ratio=kind.endswith("ratio"))
        yield planned_test(Comparison(*pair)), truth


def _totals(kind: str, rng: np.random.Generator, lift: float) -> _Totals:
    """Of the users of one variant: most spend nothing, some very much."""
    ones = np.ones(USERS)
    if kind in ("mean", "winsorized"):
        return {"y": _spent(rng) * (1 + lift), "d": ones, "x": 0 * ones, "z": ones}
    if kind == "count":
        return {"y": rng.poisson(rng.gamma(0.5, 2.0, USERS) * (1 + lift)) * 1.0, "d": ones, "x": 0 * ones, "z": ones}
    if kind == "proportion":
        return {"y": (rng.random(USERS) < 0.05 * (1 + lift)) * 1.0, "d": ones, "x": 0 * ones, "z": ones}
    activity = rng.gamma(1.0, 1.0, USERS)
    if kind == "cuped":
        # what users do in both periods is heavy-tailed, and so is each period's own part
        own = rng.lognormal(0.0, 1.0, (2, USERS)) / np.exp(0.5)
        return {"y": (activity + own[0]) * (1 + lift), "d": ones, "x": activity + own[1], "z": ones}
    rate = rng.beta(2.0, 8.0, USERS)
    views, earlier = rng.poisson(10 * activity) + 1, rng.poisson(10 * activity) + 1
    clicks = rng.binomial(views, rate * (1 + lift))
    return {"y": clicks * 1.0, "d": views * 1.0, "x": rng.binomial(earlier, rate) * 1.0, "z": earlier * 1.0}


def _spent(rng: np.random.Generator) -> np.ndarray:
    return (rng.random(USERS) < 0.2) * rng.lognormal(2.0, 1.2, USERS)


def _mean(kind: str) -> float:
    means = {"mean": 0.2 * np.exp(2.0 + 1.2**2 / 2), "count": 1.0, "proportion": 0.05, "cuped": 2.0}
    return float(means.get(kind, 0.2))


def _capped_mean(cap: float) -> float:
    """E min(X, cap) of the log-normal share of users."""
    from scipy.stats import norm

    d = (np.log(cap) - 2.0) / 1.2
    return float(0.2 * (np.exp(2.0 + 1.2**2 / 2) * norm.cdf(d - 1.2) + cap * norm.sf(d)))


def _ever_significant(seed: int) -> dict[float | None, float]:
    """The share of A/A experiments that an impatient person would have stopped, looking every day.

    By planned effect: one that is found about half way, a smaller and a greater one. None is the test for one look.
    """
    rng = np.random.default_rng(seed)
    per_day, planned_effects = 100, (None, 0.05, 0.2, 0.8)
    users = per_day * DAYS
    day = np.arange(users) // per_day
    stopped = dict.fromkeys(planned_effects, 0)
    for _ in range(EXPERIMENTS):
        sums = []
        for _ in range(2):
            # each user spends a little every day from the one of arrival on
            level = (rng.random(users) < 0.3) * rng.lognormal(0.0, 1.2, users)
            noise = rng.gamma(0.2, 5.0, (users, DAYS))
            daily = np.where(np.arange(DAYS) >= day[:, None], level[:, None] * noise, 0.0).cumsum(axis=1)
            sums.append((daily.sum(axis=0), np.square(daily).sum(axis=0)))
        looks: list[Comparison] = []
        for look in range(DAYS):
            control, treatment = (_mean_moments((look + 1) * per_day, y[look], yy[look]) for y, yy in sums)
            looks.append(Comparison(*raw_samples(control, treatment, is_ratio=False)))
        for planned in planned_effects:
            tests = (always_valid(one, planned) if planned else planned_test(one) for one in looks)
            stopped[planned] += any(test.p_value < ALPHA for test in tests)
    return {planned: count / EXPERIMENTS for planned, count in stopped.items()}


def _milliseconds_a_row() -> tuple[float, float]:
    """CUPED from sums to the interval, by ours and by tea-tasting from its own aggregates."""
    from tea_tasting.aggr import Aggregates
    from tea_tasting.metrics import RatioOfMeans

    rng, rows = np.random.default_rng(5), 500
    sums = [_moments(_totals("cuped", rng, 0.0)) for _ in range(2)]
    theirs = Aggregates(USERS, {"y": 2.0, "x": 2.0}, {"y": 3.0, "x": 3.0}, {("x", "y"): 1.0})
    test = RatioOfMeans("y", None, "x")

    def ours() -> None:
        for _ in range(rows):
            planned_test(Comparison(*adjusted_samples(*sums, is_ratio=False)))

    def library() -> None:
        for _ in range(rows):
            test.analyze_aggregates(theirs, theirs)

    return 1000 * seconds_of(ours) / rows, 1000 * seconds_of(library) / rows


def _variance_left(rho: float, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(200):
        sums = []
        for _ in range(2):
            x, own = rng.gamma(2.0, 1.0, (2, USERS))
            sums.append(_moments({"y": rho * x + np.sqrt(1 - rho**2) * own, "d": x**0, "x": x, "z": x**0}))
        adjusted = Comparison(*adjusted_samples(*sums, is_ratio=False))
        ratios.append(adjusted.error_variance / Comparison(*raw_samples(*sums, is_ratio=False)).error_variance)
    return float(np.mean(ratios)), 1 - rho**2


def _moments(totals: _Totals) -> Moments:
    return Moments(
        len(totals["y"]),
        **{name: float(values.sum()) for name, values in totals.items()},
        **{pair: float(totals[pair[0]] @ totals[pair[1]]) for pair in _PAIRS},
    )


def _mean_moments(users: int, y: float, yy: float) -> Moments:
    n = float(users)
    return Moments(users, y, n, 0.0, n, yy, n, 0.0, n, y, 0.0, y, 0.0, n, 0.0)


def _print(promise: str, share: float, goal: str) -> None:
    print(f"{promise}: {100 * share:.1f} % (goal: {goal})", flush=True)
