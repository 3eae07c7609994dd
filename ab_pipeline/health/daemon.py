"""The beats that Dagster's daemon leaves in the metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ab_pipeline.health.heartbeats import Beat

if TYPE_CHECKING:
    from dagster import DagsterInstance


def beats_of(instance: DagsterInstance) -> tuple[list[Beat], list[str]]:
    """The newest beat of each kind, and the kinds that there should be."""
    beats = [
        Beat(
            one.daemon_type,
            str(one.daemon_id),
            one.timestamp,
            tuple(" ".join(error.message.split()) for error in one.errors or ()),
        )
        for one in instance.get_daemon_heartbeats().values()
    ]
    return beats, sorted(instance.get_required_daemon_types())
