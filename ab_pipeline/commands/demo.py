"""`ab-pipeline demo`: made-up data that ended yesterday, in a place of its own."""

from __future__ import annotations

import datetime as dt

import click

from ab_pipeline import demo as demo_place
from ab_pipeline.commands.sample import filled
from ab_pipeline.commands.terminal import console
from ab_pipeline.refresh.home import made
from ab_pipeline.sample_data.registry import write_registry
from ab_pipeline.settings import get_settings
from ab_pipeline.warehouse.base import BUILT_SCHEMA
from ab_pipeline.warehouse.connect import embedded_warehouse


@click.command()
def demo() -> None:
    """Make the demo anew: five experiments of sixty days that ended yesterday, in data/demo.

    `ab-pipeline --demo COMMAND` works on it, and every command does while there is nothing else.
    """
    spec = demo_place.spec_of(dt.datetime.now(dt.UTC).date())
    demo_place.write_settings(spec)
    demo_place.use()
    made(demo_place.FOLDER / "dagster")
    get_settings.cache_clear()
    write_registry(demo_place.REGISTRY, spec)
    with embedded_warehouse(get_settings(), is_patient=True).open(read_only=False) as session:
        # what was built of an older sample
        session.run(f"drop schema if exists {BUILT_SCHEMA} cascade")
        summary = filled(session, spec)
    rows = ", ".join(f"{name} {count:,}" for name, count in summary.rows.items())
    console().print(f"{demo_place.WAREHOUSE}: {rows} rows, {summary.first_day} to {summary.last_day}")
