"""What the data make of what effects usually are: asked for by people, and nothing that decides."""

from __future__ import annotations

import math

from ab_pipeline.experiments.declaration import Direction
from ab_pipeline.experiments.result import Belief
from ab_pipeline.experiments.samples import NoNumberError
from ab_pipeline.experiments.subject import Subject


def belief_of(subject: Subject) -> Belief | None:
    """Of a metric and treatment, all users; None where there is no relative effect.

    The prior is normal around no effect, its standard deviation the smallest effect that matters. The effect that was
    found is shrunk towards none as far as its standard error asks; the loss is that of shipping where it is worse.
    """
    from scipy.special import ndtr

    try:
        _, comparison = subject.best_comparison
    except NoNumberError:
        return None
    control, treatment = comparison.control, comparison.treatment
    if control.mean <= 0 or min(control.variance, treatment.variance) <= 0:
        return None
    ratio = treatment.mean / control.mean
    variance = (treatment.error_variance + ratio**2 * control.error_variance) / control.mean / control.mean
    prior = subject.metric.minimum_effect**2
    kept = prior / (prior + variance)
    if not 0 < kept * variance < math.inf:
        return None
    shrunk, deviation = kept * (ratio - 1), math.sqrt(kept * variance)
    gain = shrunk if subject.metric.direction == Direction.INCREASE else -shrunk
    chance = float(ndtr(gain / deviation))
    density = math.exp(-((gain / deviation) ** 2) / 2) / math.sqrt(2 * math.pi)
    loss = deviation * density - gain * (1 - chance)
    return Belief(subject.metric.metric_id, subject.variant_id, shrunk, chance, max(0.0, loss))
