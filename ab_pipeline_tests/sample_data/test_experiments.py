"""The demo's experiments: well formed, known to the dbt registry, and with consistent truths."""

import csv

import pytest

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.sample_data.experiments import EXPERIMENTS, LAST_DAY, NO_DIFFERENCE, STILL_RUNNING, Variant
from ab_pipeline.settings import Settings

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"
VARIANTS = [variant for experiment in EXPERIMENTS for variant in experiment.variants]


def read_seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_registry_declares_exactly_these_experiments() -> None:
    assert read_seed("experiments.csv") == [
        {
            "experiment_id": experiment.experiment_id,
            "name": experiment.name,
            "hypothesis": experiment.hypothesis,
            "owner": experiment.owner,
            "start_date": experiment.start_date.isoformat(),
            "end_date": experiment.end_date.isoformat(),
            "pre_period_days": str(experiment.pre_period_days),
            "allocation": str(experiment.allocation),
            "is_aa": str(experiment is NO_DIFFERENCE).lower(),
        }
        for experiment in EXPERIMENTS
    ]


def test_the_registry_declares_exactly_these_variants() -> None:
    assert read_seed("experiment_variants.csv") == [
        {
            "experiment_id": experiment.experiment_id,
            "variant_id": variant.variant_id,
            "is_control": str(variant.is_control).lower(),
            "expected_weight": str(variant.expected_weight),
        }
        for experiment in EXPERIMENTS
        for variant in experiment.variants
    ]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.experiment_id)
def test_an_experiment_has_one_control_and_weights_that_sum_to_one(experiment) -> None:
    assert sum(variant.is_control for variant in experiment.variants) == 1
    assert sum(variant.expected_weight for variant in experiment.variants) == pytest.approx(1)


def test_variant_ids_are_unique_and_fit_the_raw_column() -> None:
    ids = [variant.variant_id for variant in VARIANTS]
    assert len(set(ids)) == len(ids)
    assert max(map(len, ids)) <= 32


def test_one_experiment_still_runs_on_the_last_day_and_the_others_are_over() -> None:
    running = [experiment for experiment in EXPERIMENTS if experiment.end_date > LAST_DAY]
    assert running == [STILL_RUNNING]


def test_pre_periods_lie_within_the_days_that_the_pipeline_builds() -> None:
    start_date = Settings.model_fields["start_date"].default
    assert all((e.start_date - start_date).days >= e.pre_period_days for e in EXPERIMENTS)


def test_lifts_multiply_along_the_funnel() -> None:
    variant = Variant("v", 0.5, click_rate_lift=0.1, purchase_rate_lift=-0.5, amount_lift=1.0)
    assert variant.true_lifts == pytest.approx(
        {"impressions": 0, "clicks": 0.1, "purchases": 1.1 * 0.5 - 1, "revenue": 1.1 * 0.5 * 2 - 1}
    )
