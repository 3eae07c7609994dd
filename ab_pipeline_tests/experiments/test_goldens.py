"""Numbers that others published, or that the field's libraries give for real experiments."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from scipy import stats

from ab_pipeline.experiments.inference import (
    Comparison,
    planned_test,
    sequence_half_width,
    sequence_information,
)
from ab_pipeline.experiments.samples import raw_samples
from ab_pipeline_tests.experiments.sums import moments_with

ASOS = list(csv.DictReader((Path(__file__).parent / "asos" / "final_looks.csv").read_text().splitlines()))


def comparison(control: tuple[int, float, float], treatment: tuple[int, float, float]) -> Comparison:
    """Users, mean and variance of each."""
    return Comparison(*raw_samples(moments_with(*control), moments_with(*treatment), is_ratio=False))


def asos(row: dict[str, str], side: str) -> tuple[int, float, float]:
    return int(float(row[f"count_{side}"])), float(row[f"mean_{side}"]), float(row[f"variance_{side}"])


def test_the_asos_set_is_whole() -> None:
    assert (len({row["experiment_id"] for row in ASOS}), len(ASOS)) == (78, 381)


def test_every_asos_experiment_has_scipys_welch() -> None:
    for row in ASOS:
        (n, mean, variance), (m, other, spread) = asos(row, "c"), asos(row, "t")
        found = planned_test(comparison((n, mean, variance), (m, other, spread)))
        welch = stats.ttest_ind_from_stats(other, math.sqrt(spread), m, mean, math.sqrt(variance), n, equal_var=False)
        assert found.p_value == pytest.approx(welch.pvalue, rel=1e-9, abs=1e-12), row
        effect, low, high = found.absolute
        assert effect == pytest.approx(other - mean, rel=1e-9)
        # the interval at 95 % ends where the statistic, moved there, has p = .05
        error = effect / welch.statistic
        degrees = (variance / n + spread / m) ** 2 / ((variance / n) ** 2 / (n - 1) + (spread / m) ** 2 / (m - 1))
        assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, degrees) * error, rel=1e-9)


def test_one_of_them_by_name() -> None:
    row = next(r for r in ASOS if (r["experiment_id"], r["variant_id"], r["metric_id"]) == ("058875", "1", "4"))
    assert planned_test(comparison(asos(row, "c"), asos(row, "t"))).p_value == pytest.approx(0.036027, abs=5e-7)


def test_growthbooks_absolute_two_sided_t_test() -> None:
    found = planned_test(comparison((3407, 0.41, 3.9**2), (3461, 0.7, 6.2**2)))
    assert found.absolute == pytest.approx((0.29, 0.04538, 0.53462), abs=5e-6)
    assert found.p_value == pytest.approx(0.02016, abs=5e-6)


def test_growthbooks_sequential_interval() -> None:
    """Theirs is relative, with the delta method's variance, and tuned to 1,000 users."""
    mean = 1396.87 / 3000, 2422.7 / 3461
    variance = (52377.9767 - 3000 * mean[0] ** 2) / 2999, (134698.29 - 3461 * mean[1] ** 2) / 3460
    relative = mean[1] / mean[0] - 1
    error = math.sqrt(variance[1] / mean[0] ** 2 / 3461 + variance[0] * mean[1] ** 2 / mean[0] ** 4 / 3000)
    half_width = sequence_half_width(error, sequence_information((3000 + 3461) / 1000))
    found = relative, relative - half_width, relative + half_width
    assert found == pytest.approx((0.50336, -0.55844, 1.56516), abs=5e-6)
