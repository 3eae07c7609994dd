"""Whether an effect is the same in every segment of a dimension."""

from __future__ import annotations

from collections.abc import Sequence

from ab_pipeline.experiments.inference import Comparison
from ab_pipeline.experiments.samples import NoNumberError


def interaction_p_value(comparisons: Sequence[Comparison]) -> float:
    """Cochran's Q (Biometrics 1954): the effects around their precision-weighted mean, chi-square with one degree less.

    Raises:
        NoNumberError: fewer than two segments have an effect.
    """
    from scipy.special import chdtrc

    if len(comparisons) < 2:
        raise NoNumberError("fewer than two segments have an effect to compare")
    weights = [1 / comparison.error_variance for comparison in comparisons]
    mean = sum(w * c.effect for w, c in zip(weights, comparisons, strict=True)) / sum(weights)
    q = sum(w * (c.effect - mean) ** 2 for w, c in zip(weights, comparisons, strict=True))
    return float(chdtrc(len(comparisons) - 1, q))
