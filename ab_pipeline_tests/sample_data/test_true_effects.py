"""The true effects can be recovered from the default sample, and act only while they should."""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pytest

from ab_pipeline.sample_data.experiments import (
    CLEAR_NO,
    CLEAR_WINNER,
    EXPERIMENTS,
    Experiment,
    Metric,
    Variant,
)
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.warehouse.duckdb import DuckDBSession

pytestmark = pytest.mark.slow

METRICS: tuple[Metric, ...] = ("impressions", "clicks", "purchases", "revenue")
TREATMENTS = [(e, v) for e in EXPERIMENTS for v in e.variants if not v.is_control]
WHILE_ASSIGNED = "datestamp >= assigned_at and datestamp < date '{0.end_date}' + 1"
BEFORE = "datestamp < date '{0.start_date}'"
AFTERWARDS = "datestamp >= date '{0.end_date}' + 1"


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error."""

    value: float
    error: float


@pytest.fixture(scope="module")
def session() -> Iterator[DuckDBSession]:
    with duckdb.connect() as connection:
        session = DuckDBSession(connection)
        generate(session, SampleSpec())
        yield session


def means(session: DuckDBSession, variant: Variant, period: str) -> dict[Metric, Estimate]:
    """Each metric's mean per assigned user over the events of the period, zeros kept."""
    row = session.rows(
        f"""
        with assigned_user as (
            select
                assignment.user_id,
                count(event.user_id) as impressions,
                coalesce(sum(clicked), 0) as clicks,
                coalesce(sum(purchased), 0) as purchases,
                coalesce(sum(paidamount), 0) as revenue
            from raw_data.user_variant as assignment
            left join raw_data.user_event as event
                on event.user_id = assignment.user_id and {period}
            where variant_id = ?
            group by assignment.user_id
        )
        select {", ".join(f"avg({metric}), sqrt(var_samp({metric}) / count(*))" for metric in METRICS)}
        from assigned_user
        """,
        [variant.variant_id],
    )[0]
    return dict(zip(METRICS, map(Estimate, row[::2], row[1::2]), strict=True))


def lifts(session: DuckDBSession, experiment: Experiment, treatment: Variant, period: str) -> dict[Metric, Estimate]:
    """Each metric's relative lift over the control, its error by the delta method."""
    control = next(variant for variant in experiment.variants if variant.is_control)
    without = means(session, control, period.format(experiment))
    with_it = means(session, treatment, period.format(experiment))
    found: dict[Metric, Estimate] = {}
    for metric in METRICS:
        a, b = without[metric], with_it[metric]
        ratio = b.value / a.value
        found[metric] = Estimate(ratio - 1, (b.error**2 + (ratio * a.error) ** 2) ** 0.5 / a.value)
    return found


@pytest.mark.parametrize(("experiment", "treatment"), TREATMENTS, ids=[variant.variant_id for _, variant in TREATMENTS])
def test_every_true_lift_is_within_the_noise_of_its_estimate(
    session: DuckDBSession, experiment: Experiment, treatment: Variant
) -> None:
    for metric, lift in lifts(session, experiment, treatment, WHILE_ASSIGNED).items():
        assert abs(lift.value - treatment.true_lifts[metric]) < 3 * lift.error, metric


def test_the_default_sample_is_large_enough_to_see_the_winner_win_and_the_no_lose(
    session: DuckDBSession,
) -> None:
    won = lifts(session, CLEAR_WINNER, CLEAR_WINNER.variants[1], WHILE_ASSIGNED)["purchases"]
    lost = lifts(session, CLEAR_NO, CLEAR_NO.variants[1], WHILE_ASSIGNED)["clicks"]
    assert won.value > 4 * won.error
    assert lost.value < -4 * lost.error


@pytest.mark.parametrize("period", [BEFORE, AFTERWARDS])
def test_an_effect_ends_with_its_experiment_and_does_not_begin_earlier(session: DuckDBSession, period: str) -> None:
    strongest: tuple[tuple[Experiment, Metric], ...] = ((CLEAR_WINNER, "purchases"), (CLEAR_NO, "clicks"))
    for experiment, metric in strongest:
        lift = lifts(session, experiment, experiment.variants[1], period)[metric]
        assert abs(lift.value) < 2.5 * lift.error
