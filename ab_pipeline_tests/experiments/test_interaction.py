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


def test_it_is_cochrans_q_of_statsmodels() -> None:
    effects, variances = [0.1, 0.4, -0.2, 0.3], [0.02, 0.03, 0.04, 0.01]
    found = interaction_p_value([comparison(*one) for one in zip(effects, variances, strict=True)])
    theirs = combine_effects(np.array(effects), np.array(variances)).test_homogeneity()
    assert found == pytest.approx(theirs.pvalue)


def test_equal_effects_do_not_differ_and_opposite_ones_do() -> None:
    assert interaction_p_value([comparison(0.2, 0.01)] * 3) == pytest.approx(1)
    assert interaction_p_value([comparison(1.0, 0.01), comparison(-1.0, 0.01)]) < 1e-9


def test_one_segment_has_nothing_to_differ_from() -> None:
    with pytest.raises(NoNumberError, match="fewer than two segments"):
        interaction_p_value([comparison(1.0, 0.01)])
