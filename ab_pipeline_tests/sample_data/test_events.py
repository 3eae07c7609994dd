"""The days are cut where the running experiments change, because an effect holds for a whole span."""

import datetime as dt

import pytest

from ab_pipeline.sample_data.events import Span, spans
from ab_pipeline.sample_data.experiments import EXPERIMENTS
from ab_pipeline.sample_data.spec import SampleSpec

SPEC = SampleSpec(days=70, events_per_day=100)


def days_of(span: Span) -> list[dt.date]:
    return [span.first + dt.timedelta(days=n) for n in range(span.days)]


def running(day: dt.date) -> set[str]:
    return {e.experiment_id for e in EXPERIMENTS if e.start_date <= day <= e.end_date}


@pytest.mark.parametrize("max_events", [1, 250, 10**9])
def test_spans_cover_every_day_once_and_in_order(max_events: int) -> None:
    covered = [day for span in spans(SPEC, max_events) for day in days_of(span)]
    assert covered == [SPEC.first_day + dt.timedelta(days=n) for n in range(SPEC.days)]


def test_the_same_experiments_run_on_all_days_of_a_span() -> None:
    for span in spans(SPEC, max_events=10**9):
        assert all(running(day) == running(span.first) for day in days_of(span))


def test_a_span_has_at_most_the_given_events_or_one_day() -> None:
    assert max(span.days for span in spans(SPEC, max_events=250)) == 2
    assert max(span.days for span in spans(SPEC, max_events=1)) == 1
