"""Ids in PostgreSQL: unique, rising within a run, and in the index's order."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab_pipeline.maintenance.migration.event_ids import (
    GAP,
    ids_of_run,
    migrated_cursor,
    migrated_id,
    with_migrated_ids,
)


def test_events_that_the_index_has_keep_its_order_and_others_go_between() -> None:
    ids = ids_of_run(["start", "step", "made", "log"], [(7, "start"), (9, "made")], 0)
    assert ids == [migrated_id(7), migrated_id(7) + 1, migrated_id(9), migrated_id(9) + 1]


def test_what_happens_before_the_first_event_of_the_index_stays_before_it() -> None:
    assert ids_of_run(["log", "start"], [(7, "start")], 0) == [migrated_id(7) - 1, migrated_id(7)]


def test_a_run_that_the_index_does_not_know_comes_after_all() -> None:
    assert ids_of_run(["log", "log"], [], 100) == [100, 101]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), max_size=60))
def test_ids_are_unique_and_rise_within_each_run(past: list[tuple[int, bool, bool]]) -> None:
    """Events of four runs, of which the index has some; some have the same text as one before."""
    shards: dict[int, list[str]] = {run: [] for run in range(4)}
    index: list[tuple[int, int, str]] = []
    for number, (run, is_indexed, repeats) in enumerate(past):
        text = "again" if repeats and is_indexed else f"{number}"
        shards[run].append(text)
        if is_indexed:
            index.append((len(index) + 1, run, text))
    found: list[int] = []
    free = migrated_id(len(index) + 1)
    for run, events in shards.items():
        ids = ids_of_run(events, [(index_id, text) for index_id, of, text in index if of == run], free)
        assert ids == sorted(ids)
        free = max([free, *(new_id + 1 for new_id in ids)])
        found += ids
    assert len(found) == len(set(found))
    assert {migrated_id(index_id) for index_id, _, _ in index} <= set(found)


def test_more_events_than_fit_are_refused_rather_than_mixed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ab_pipeline.maintenance.migration.event_ids.GAP", 3)
    assert GAP > 3
    with pytest.raises(ValueError, match="more than 3 events"):
        ids_of_run(["start", *"abc"], [(1, "start")], 0)


def test_what_holds_an_id_gets_the_new_one() -> None:
    record = {"__class__": "EventLogRecord", "storage_id": 2, "event_log_entry": {"tags": {
        "dagster/input_event_pointer/up": "3", "dagster/input_event_pointer/none": "NULL"}}}  # fmt: skip
    moved = json.loads(with_migrated_ids(json.dumps(record)) or "")
    assert moved["storage_id"] == migrated_id(2)
    tags = moved["event_log_entry"]["tags"]
    assert tags == {
        "dagster/input_event_pointer/up": str(migrated_id(3)),
        "dagster/input_event_pointer/none": "NULL",
    }


def test_a_cursor_that_is_not_dagsters_is_left_as_it_is() -> None:
    for cursor in (None, "", "17", "2025-01-01", '{"record_id": 1}'):
        assert migrated_cursor(cursor) == cursor
    moved = migrated_cursor('{"__class__": "RunStatusSensorCursor", "record_id": 5}')
    assert json.loads(moved or "")["record_id"] == migrated_id(5)
