"""The sensor's cursor: read back as it was written, and nothing else is believed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from ab_pipeline.automation.memory import Memory, remembered
from ab_pipeline.automation.signatures import RawSide
from ab_pipeline.warehouse.base import TableTrace

MEMORY = Memory(
    "demo.duckdb #0123",
    token="t",
    due=(date(2025, 1, 2),),
    reached=date(2025, 1, 1),
    credit=-0.25,
    credited_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    traces={"user_event": TableTrace(1, 2, 3)},
    dimensions={"user_variant": RawSide(4, "170141183460469231731687303715884105727")},
    said="compared: 1 day",
    busy_since=datetime(2026, 1, 2, tzinfo=UTC),
)


def test_a_cursor_says_what_was_remembered() -> None:
    assert remembered(MEMORY.to_cursor()) == MEMORY
    assert remembered(Memory("x").to_cursor()) == Memory("x")


@pytest.mark.parametrize("cursor", [None, "", "due since 2025-01-01", "{}", "[1]", '{"database": "x", "version": 1}'])
def test_what_another_version_wrote_is_no_memory(cursor: str | None) -> None:
    assert remembered(cursor) is None
