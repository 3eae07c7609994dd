"""`ab-pipeline report`: the read-outs as pages to look at, to send and to print."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from ab_pipeline.commands.day import Day
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
    from ab_pipeline.readouts.pages import entries_of, report_of, write_page, write_programme
    from ab_pipeline.readouts.store import verdict_history
    from ab_pipeline.readouts.unread import why_unread

    if as_of and not experiment:
        raise click.UsageError("--as-of needs an EXPERIMENT")
    settings = get_settings()
    registry = read_registry(settings.registry)
    store = open_store(str(folder) if folder else settings.pages_location)
    if experiment:
        with warehouse_of(settings, is_patient=True).open() as session:
            one = report_of(evaluate(session, registry, experiment, as_of, compared_days=settings.compared_days))
        click.echo(f"{store.location}/{write_page(one, store)}: {one.headline}")
        return
    with warehouse_of(settings, is_patient=True).open() as session:
        reports = [
            report_of(found) for found in evaluate_newest(session, registry, compared_days=settings.compared_days)
        ]
        read = [one.experiment.experiment_id for one in reports]
        entries = entries_of(registry, reports, verdict_history(session), why_unread(session, registry, read))
    headlines = [entry.report.headline for entry in entries if entry.report]
    for name, headline in zip(write_programme(entries, store), headlines, strict=True):
        click.echo(f"{store.location}/{name}: {headline}")
    click.echo(f"{store.location}/index.html: {len(entries)} experiments")
