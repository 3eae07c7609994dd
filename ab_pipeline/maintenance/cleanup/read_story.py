"""Reading the story of a run out of Dagster's storage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from dagster import DagsterInstance
from dagster._core.storage.dagster_run import RunRecord
from dagster_shared.serdes import serialize_value

from ab_pipeline.maintenance.cleanup.engine import Engine
from ab_pipeline.maintenance.cleanup.story import Log, Story


def read_story(instance: DagsterInstance, engine: Engine, record: RunRecord) -> Story:
    """Everything that is known of a run."""
    run = record.dagster_run
    events = [json.loads(event) for event in engine.stored_events(run.run_id)]
    return Story(
        run_id=run.run_id,
        job=run.job_name,
        status=run.status.value,
        created_at=record.create_timestamp.timestamp(),
        started_at=record.start_time,
        ended_at=record.end_time or record.update_timestamp.timestamp(),
        run=json.loads(serialize_value(run)),
        events=tuple(events),
        logs=tuple(_logs(instance, run.run_id, events)),
    )


def _logs(instance: DagsterInstance, run_id: str, events: Sequence[dict[str, Any]]) -> Iterator[Log]:
    """What was printed, by the events that say where it is kept."""
    manager = instance.compute_log_manager
    for event in events:
        happened = event.get("dagster_event") or {}
        if happened.get("event_type_value") == "LOGS_CAPTURED":
            captured = happened["event_specific_data"]
            key = manager.build_log_key_for_run(run_id, captured["log_key"])
            found = manager.get_log_data(key)
            out, err = ((text or b"").decode(errors="replace") for text in (found.stdout, found.stderr))
            if out or err:
                yield Log(tuple(captured.get("step_keys") or ()), out, err)
