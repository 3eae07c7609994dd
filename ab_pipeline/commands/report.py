"""`ab-pipeline report`: the read-outs as pages to look at, to send and to print."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from ab_pipeline.commands.day import Day
from ab_pipeline.paths import REGISTRY
from ab_pipeline.settings import get_settings
from ab_pipeline.warehouse.connect import warehouse_of


@click.command()
@click.argument("experiment", required=False)
@click.option("--as-of", type=Day(), help="An older day than the newest, of one experiment.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the pages go; without it AB_PIPELINE_REPORTS_LOCATION, or reports/DATABASE.",
)
def report(experiment: str | None, as_of: dt.date | None, folder: Path | None) -> None:
    """Write the page of an EXPERIMENT; without one, those of all and an index."""
    from ab_pipeline.experiments.registry import read_registry
    from ab_pipeline.maintenance.object_store import open_store
    from ab_pipeline.readouts.evaluate import evaluate, evaluate_newest
    from ab_pipeline.readouts.pages import report_of, write_pages

    if as_of and not experiment:
        raise click.UsageError("--as-of needs an EXPERIMENT")
    settings = get_settings()
    registry = read_registry(REGISTRY)
    with warehouse_of(settings).open() as session:
        found = [evaluate(session, registry, experiment, as_of)] if experiment else evaluate_newest(session, registry)
    reports = [report_of(one) for one in found]
    store = open_store(str(folder) if folder else settings.pages_location)
    for one, name in zip(reports, write_pages(reports, store, with_index=not experiment), strict=True):
        click.echo(f"{store.location}/{name}: {one.headline}")
    if not experiment:
        click.echo(f"{store.location}/index.html: {len(reports)} experiments")
