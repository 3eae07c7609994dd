"""Which id each event gets in PostgreSQL.

SQLite has a file of events a run, with ids of its own, and an index over all runs that repeats some of the events with
other ids. Sensors' cursors, tags, checks and "the newest materialization" hold ids of the index. PostgreSQL has one
table, where ids have to rise within a run as its events do. So ids of the index are multiplied, which keeps their
order, and a run's other events go into the gaps.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

GAP = 1 << 20
"""How many events fit before, and how many after, an event of the index. Ids of the index may reach 2^42."""
INPUT_POINTER = "dagster/input_event_pointer"
"""Tags of this kind hold the id of a materialization that another was made from."""
_MARKS = ("storage_id", "RunStatusSensorCursor", INPUT_POINTER)
_HOLDERS = frozenset({"EventLogRecord", "AssetCheckEvaluationTargetMaterializationData"})


def migrated_id(index_id: int) -> int:
    """The new id of what the index calls `index_id`."""
    return index_id * 2 * GAP


def ids_of_run(events: Sequence[str], indexed: Sequence[tuple[int, str]], first_free: int) -> list[int]:
    """The new ids of a run's events, given in their order; `indexed` are the run's rows of the index.

    A run that the index does not know gets the ids from `first_free` on.

    Raises:
        ValueError: there are more events than fit into a gap.
    """
    found: defaultdict[str, deque[int]] = defaultdict(deque)
    for index_id, event in sorted(indexed):
        found[event].append(migrated_id(index_id))
    anchors = [found[event].popleft() if found.get(event) else None for event in events]
    first = next((position for position, anchor in enumerate(anchors) if anchor is not None), None)
    if first is None:
        return list(range(first_free, first_free + len(events)))
    ids: list[int] = []
    since_anchor = 0
    for position, anchor in enumerate(anchors):
        since_anchor = 0 if anchor is not None else since_anchor + 1
        if anchor is not None:
            ids.append(anchor)
        elif position < first:
            ids.append((anchors[first] or 0) - (first - position))
        else:
            ids.append(ids[-1] + 1)
        if since_anchor >= GAP:
            raise ValueError(f"more than {GAP:,} events of a run stand between two that the index has")
    return ids


def with_migrated_ids(body: str | None) -> str | None:
    """Something serialized, in which the ids of events, and run-status sensors' cursors, are the new ones."""
    if body is None or not any(mark in body for mark in _MARKS):
        return body
    return json.dumps(_migrated(json.loads(body)))


def migrated_cursor(cursor: str | None) -> str | None:
    """The cursor of a run-status sensor with the new id; any other as it is, and Dagster's own know no ids."""
    try:
        value = json.loads(cursor or "")
    except ValueError:
        return cursor
    if not isinstance(value, dict) or value.get("__class__") != "RunStatusSensorCursor":
        return cursor
    return json.dumps(value | {"record_id": migrated_id(value["record_id"])})


def migrated_pointer(value: str) -> str:
    """The value of an INPUT_POINTER tag: an id, or the word for none."""
    return str(migrated_id(int(value))) if value.isdigit() else value


def _migrated(value: Any) -> Any:
    if isinstance(value, list):
        return [_migrated(item) for item in value]
    if not isinstance(value, dict):
        return value
    copy = {key: _migrated(item) for key, item in value.items()}
    if value.get("__class__") in _HOLDERS and isinstance(value.get("storage_id"), int):
        copy["storage_id"] = migrated_id(value["storage_id"])
    for key, item in value.items():
        if key == "cursor" and isinstance(item, str):
            copy[key] = migrated_cursor(item)
        elif key.startswith(INPUT_POINTER) and isinstance(item, str):
            copy[key] = migrated_pointer(item)
    return copy
