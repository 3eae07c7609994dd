"""`ab-pipeline changes`: what the raw-change sensor would request now."""

from __future__ import annotations

import os

import click
from rich.table import Table

from ab_pipeline.commands.terminal import show


@click.command()
def changes() -> None:
    """Evaluate the raw-change sensor, and show what it would have refreshed. Nothing is started."""
    # Dagster takes seconds to import, which no other command needs
    from dagster import DagsterInstance, build_sensor_context
    from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

    from ab_pipeline.definitions import defs

    instance = DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else DagsterInstance.ephemeral()
    with instance, build_sensor_context(instance=instance, definitions=defs) as context:
        tick = defs.resolve_sensor_def("raw_changes").evaluate_tick(context)
    if not tick.run_requests:
        click.echo(f"The sensor requests nothing: {tick.skip_message}")
        return
    graph = defs.resolve_asset_graph()
    table = Table("days", "asset groups", title="The sensor requests", title_justify="left")
    for request in tick.run_requests:
        first, last = (request.tags[tag] for tag in (ASSET_PARTITION_RANGE_START_TAG, ASSET_PARTITION_RANGE_END_TAG))
        groups = sorted({graph.get(key).group_name for key in request.asset_selection or []})
        table.add_row(first if first == last else f"{first} to {last}", ", ".join(groups))
    show(table, fold=("asset groups",))
