"""Whether an effect differs between segments."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.meta_analysis import combine_effects

from ab_pipeline.experiments.inference import Comparison
from ab_pipeline.experiments.interaction import interaction_p_value
from ab_pipeline.experiments.samples import NoNumberError, Sample


def comparison(effect: float, variance: float) -> Comparison:
    return Comparison(Sample(100, 1.0, variance * 50), Sample(100, 1.0 + effect, variance * 50))


def test_it_is_cochrans_q_of_statsmodels_on_the_scale_that_is_shown() -> None:
    effects, variances = [0.1, 0.4, -0.2, 0.3], [0.02, 0.03, 0.04, 0.01]
    above, below = (
        [
            Comparison(Sample(100, mean, variance * 50), Sample(100, mean + effect, variance * 50))
            for effect, variance in zip(effects, variances, strict=True)
        ]
        for mean in (1.0, -1.0)
    )
    logs = np.array([one.log_error_variance() or 0.0 for one in above])
    relative = combine_effects(np.log1p(effects), logs).test_homogeneity()
    assert interaction_p_value(above) == pytest.approx(relative.pvalue)
    absolute = combine_effects(np.array(effects), np.array(variances)).test_homogeneity()
    assert interaction_p_value(below) == pytest.approx(absolute.pvalue)


@pytest.mark.parametrize(("lifts", "least", "most"), [((0.1, 0.1), 0.0, 0.09), ((0.4, 0.02), 0.9, 1.0)])
def test_the_same_relative_effect_is_the_same_in_a_cheap_and_in_a_dear_segment(
    lifts: tuple[float, float], least: float, most: float
) -> None:
    """+10 % in both was found to differ in 100 %; +40 % against +2 % in 4 %."""
    rng = np.random.default_rng(1)

    def segment(mean: float, lift: float) -> Comparison:
        control, treatment = (rng.gamma(1.0, mean * more, 4_000) for more in (1.0, 1 + lift))
        samples = [Sample(4_000, float(y.mean()), float(y.var())) for y in (control, treatment)]
        return Comparison(samples[0], samples[1])

    found = [interaction_p_value([segment(1, lifts[0]), segment(20, lifts[1])]) < 0.05 for _ in range(200)]
    assert least <= np.mean(found) <= most


def test_equal_effects_do_not_differ_and_opposite_ones_do() -> None:
    assert interaction_p_value([comparison(0.2, 0.01)] * 3) == pytest.approx(1)
    assert interaction_p_value([comparison(1.0, 0.01), comparison(-1.0, 0.01)]) < 1e-9


def test_one_segment_has_nothing_to_differ_from() -> None:
    with pytest.raises(NoNumberError, match="fewer than two segments"):
        interaction_p_value([comparison(1.0, 0.01)])
