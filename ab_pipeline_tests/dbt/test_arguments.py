"""The dbt command line, without dbt."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from ab_pipeline.dbt.arguments import DayWindow, build_arguments


def test_what_has_no_days_is_built_without_a_window() -> None:
    assert build_arguments(None) == ["build", "--exclude-resource-type", "unit_test"]


def test_a_window_is_given_as_local_days_without_an_offset() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    # the day on which the clocks go forward has 23 hours and is one day all the same
    window = DayWindow(datetime(2025, 3, 30, tzinfo=berlin), datetime(2025, 3, 31, tzinfo=berlin))
    assert build_arguments(window)[3:] == [
        "--event-time-start",
        "2025-03-30T00:00:00",
        "--event-time-end",
        "2025-03-31T00:00:00",
    ]
