"""Whether somebody said beforehand what the verdict rests on."""

from __future__ import annotations

from ab_pipeline.experiments.declaration import Experiment
from ab_pipeline.experiments.result import Gate, Status


def declared(experiment: Experiment) -> Gate:
    """Without a hypothesis, a control, shares and an end that were set before the data was seen, nothing is tested."""
    name = "declared"
    if experiment.is_inferred:
        variants = ", ".join(variant.variant_id for variant in experiment.variants)
        detail = f"nobody declared {variants} in experiment_variants.csv; control, shares and dates are guesses"
        return Gate(name, Status.FAIL, None, detail)
    if not experiment.hypothesis:
        return Gate(name, Status.SKIPPED, None, "a single file has no registry; who asks says what decides")
    told = f"by {experiment.owner}, from {experiment.start_date} to {experiment.end_date}"
    return Gate(name, Status.PASS, None, told)


def whole_weeks(experiment: Experiment) -> Gate:
    """Whether each day of the week counts as often as any other."""
    name, days = "whole_weeks", (experiment.end_date - experiment.start_date).days + 1
    if experiment.is_inferred or not experiment.hypothesis:
        return Gate(name, Status.SKIPPED, None, "no length is planned")
    if days % 7 == 0:
        return Gate(name, Status.PASS, None, f"{days} days are planned")
    longer = days + 7 - days % 7
    told = f"{days} days are planned, so that some days of the week count more often than others: plan {longer}"
    return Gate(name, Status.WARN, None, told)
