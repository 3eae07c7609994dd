"""What a person at a terminal reads of Dagster's log."""

from __future__ import annotations

import json

from ab_pipeline.commands.dev_log import DevLog

TRACE = (
    "DagsterUserCodeProcessError('dagster._core.errors.SensorExecutionError: Error occurred during the execution\\n"
    'Stack Trace:\\n  File "impl.py", line 401\\n\\nThe above exception was caused by the following exception:\\n'
    "ab_pipeline.warehouse.base.WarehouseError: data/w.duckdb does not exist yet.\\n\\nStack Trace:\\n  File x')"
)


def record(event: str, **more: object) -> str:
    return json.dumps({"event": event, "level": "error", "timestamp": "2026-11-28T08:45:49.4Z", **more})


def test_of_a_failed_tick_the_cause_is_shown_once_and_no_stack() -> None:
    log = DevLog()
    first = log.read(record("Sensor tick caught an error", exc_info=["<class 'x'>", TRACE, "<traceback>"]))
    assert first == "08:45:49 ERROR: data/w.duckdb does not exist yet."
    assert log.read(record("Sensor daemon caught an error", exc_info=["<class 'x'>", TRACE, "<traceback>"])) is None


def test_what_has_no_cause_is_shown_as_it_is_every_time() -> None:
    log = DevLog()
    for _ in range(2):
        assert log.read(record("the code server stopped")) == "08:45:49 ERROR: the code server stopped"
        assert log.read("12:00 - raw_changes - compared: 5 days\n") == "12:00 - raw_changes - compared: 5 days"
    assert log.read("\n") is None
    assert log.read("[1, 2]") == "[1, 2]"
