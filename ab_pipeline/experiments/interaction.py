"""Whether an effect is the same in every segment of a dimension."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ab_pipeline.experiments.inference import Comparison
from ab_pipeline.experiments.samples import NoNumberError


def interaction_p_value(comparisons: Sequence[Comparison]) -> float:
    """Cochran's Q (Biometrics 1954): the effects around their precision-weighted mean, chi-square with one degree less.

    On the scale that is shown: of log ratios, where at least two segments have a relative effect, else of differences.
    +10 % is the same in a cheap and in a dear segment.

    Raises:
        NoNumberError: fewer than two segments have an effect.
    """
    from scipy.special import chdtrc

    ratios = [
        (math.log(one.treatment.mean / one.control.mean), variance)
        for one in comparisons
        if (variance := one.log_error_variance())
    ]
    effects = ratios if len(ratios) > 1 else [(one.effect, one.error_variance) for one in comparisons]
    if len(effects) < 2:
        raise NoNumberError("fewer than two segments have an effect to compare")
    weights = [1 / variance for _, variance in effects]
    mean = sum(w * effect for w, (effect, _) in zip(weights, effects, strict=True)) / sum(weights)
    q = sum(w * (effect - mean) ** 2 for w, (effect, _) in zip(weights, effects, strict=True))
    return float(chdtrc(len(effects) - 1, q))
