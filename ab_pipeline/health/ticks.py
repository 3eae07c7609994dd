"""The newest look of a sensor, or start of a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick


def newest_tick(instance: DagsterInstance, state: InstigatorState) -> InstigatorTick | None:
    """None before the first."""
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
    return ticks[0] if ticks else None


def last_words(tick: InstigatorTick) -> str:
    """The last line of what it failed with; empty if it said nothing."""
    lines = tick.error.message.strip().splitlines() if tick.error else []
    return lines[-1] if lines else ""
