"""A specification that cannot be met is refused with one clear sentence."""

import datetime as dt
from typing import Any

import pytest

from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.settings import Settings


def test_the_default_sample_begins_on_the_pipelines_default_start_date() -> None:
    assert SampleSpec().first_day == Settings.model_fields["start_date"].default


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"users": 0}, "users must be from 1 to 2,147,483,647, not 0"),
        ({"users": 2**31}, "users must be from 1 to 2,147,483,647, not 2,147,483,648"),
        ({"days": -1}, "days must be from 1 to 20,000, not -1"),
        ({"days": 20_001}, "days must be from 1 to 20,000, not 20,001"),
        ({"events_per_day": 0}, "events_per_day must be from 1"),
        ({"late_share": -0.1}, "late_share must be at least 0 and below 1, not -0.1"),
        ({"late_share": 1.0}, "late_share must be at least 0 and below 1, not 1.0"),
        ({"end_date": dt.date(2025, 1, 14)}, "no demo experiment runs between 2024-11-16 and 2025-01-14"),
        ({"end_date": dt.date(2026, 1, 1)}, "no demo experiment runs between 2025-11-03 and 2026-01-01"),
    ],
)
def test_a_wrong_number_is_named(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SampleSpec(**wrong)
