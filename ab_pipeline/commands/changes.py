"""`ab-pipeline changes`: what the raw-change sensor sees and would request now."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

import click
from rich.table import Table

from ab_pipeline.commands.terminal import show
from ab_pipeline.maintenance.storage import dagster_home

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from ab_pipeline.automation.raw_changes import Seen

_PATIENCE = 60.0


@click.command()
def changes() -> None:
    """Look as the raw-change sensor does, and say what it would say and have refreshed. Nothing is started.

    Exit code 1 where the warehouse cannot be seen.
    """
    # Dagster takes seconds to import, which no other command needs
    from dagster import DagsterInstance
    from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

    from ab_pipeline.automation.sentences import BUSY
    from ab_pipeline.definitions import defs

    home = dagster_home()
    with DagsterInstance.from_config(str(home)) if home.is_dir() else DagsterInstance.ephemeral() as instance:
        seen = _look(instance)
    if seen.said.startswith(BUSY):
        raise click.ClickException(f"nobody can look now, {seen.said}")
    if not seen.requests:
        click.echo(f"The sensor requests nothing: {seen.said}")
        return
    click.echo(seen.said)
    graph = defs.resolve_asset_graph()
    table = Table("days", "asset groups", title="The sensor requests", title_justify="left")
    for request in seen.requests:
        first, last = (request.tags[tag] for tag in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG))
        groups = sorted({graph.get(key).group_name for key in request.asset_selection or []})
        table.add_row(first if first == last else f"{first} to {last}", ", ".join(groups))
    show(table, fold=("asset groups",))


def _look(instance: DagsterInstance) -> Seen:
    """What the sensor sees, with what it remembers. Whoever has the warehouse for a moment is waited for."""
    from ab_pipeline.automation.sentences import BUSY
    from ab_pipeline.definitions import raw_changes

    until = time.monotonic() + _PATIENCE
    while True:
        seen = raw_changes.look(instance, _cursor(instance), dt.datetime.now(dt.UTC))
        if not seen.said.startswith(BUSY) or time.monotonic() > until:
            return seen
        time.sleep(0.2)


def _cursor(instance: DagsterInstance) -> str | None:
    """What the sensor of this DAGSTER_HOME remembers."""
    from dagster._core.scheduler.instigation import InstigatorType, SensorInstigatorData

    from ab_pipeline.automation.raw_changes import RAW_CHANGES

    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        if state.instigator_name == RAW_CHANGES and isinstance(state.instigator_data, SensorInstigatorData):
            return state.instigator_data.cursor
    return None
