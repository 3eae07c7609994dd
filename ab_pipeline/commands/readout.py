"""`ab-pipeline readout` and `verdicts`: which variant won, in a terminal or for a program."""

from __future__ import annotations

import datetime as dt

import click
from rich.markup import escape
from rich.table import Table

from ab_pipeline.commands.day import Day
from ab_pipeline.commands.terminal import show, verbose_option
from ab_pipeline.settings import get_settings
from ab_pipeline.warehouse.connect import warehouse_of

_INFERRED = "inferred"


@click.command()
@click.argument("experiment")
@click.option("--as-of", type=Day(), help="An older day than the newest.")
@verbose_option
@click.option("--json", "is_json", is_flag=True, help="As JSON: experiments/readout.schema.json describes it.")
def readout(experiment: str, as_of: dt.date | None, verbose: bool, is_json: bool) -> None:
    """Which variant of an EXPERIMENT won, and may we believe it? Computed now from the tables; nothing is stored."""
    from ab_pipeline.commands.readout_text import print_readout
    from ab_pipeline.experiments.contract import to_json
    from ab_pipeline.experiments.registry import read_registry
    from ab_pipeline.readouts.evaluate import evaluate
    from ab_pipeline.readouts.pages import report_of

    settings = get_settings()
    registry = read_registry(settings.registry)
    with warehouse_of(settings, is_patient=True).open() as session:
        found = evaluate(session, registry, experiment, as_of, compared_days=settings.compared_days)
    if is_json:
        for edit in found.not_built:
            click.echo(f"edited and not built yet: {edit}", err=True)
        click.echo(to_json(found.readout))
    else:
        print_readout(report_of(found), verbose=verbose)


@click.command()
@verbose_option
def verdicts(verbose: bool) -> None:
    """The newest verdict of every experiment, as the last refresh stored it, or why it has none."""
    from ab_pipeline.automation.registry_changes import registry_state
    from ab_pipeline.experiments.registry import read_registry
    from ab_pipeline.readouts.pages import page_url
    from ab_pipeline.readouts.store import newest_verdicts
    from ab_pipeline.readouts.unread import why_unread

    settings = get_settings()
    registry = read_registry(settings.registry)
    with warehouse_of(settings, is_patient=True).open() as session:
        found = newest_verdicts(session)
        unread = why_unread(session, registry, [name for name, *_ in found])
        is_edited = bool(registry_state(session, settings.registry).difference)
    columns = ("experiment", "as of", "verdict", "reason", "page, with `ab-pipeline serve`")
    table = Table(*columns, title="Verdicts", title_justify="left")
    for name, as_of, verdict, reason in found:
        table.add_row(*map(escape, (name, str(as_of), verdict, reason, page_url(settings.dagster_url, name))))
    for name, why in unread.items():
        table.add_row(escape(name), "", "none yet", escape(why), "")
    show(table, fold=("reason",), spare=("page, with `ab-pipeline serve`", "as of"), verbose=verbose)
    if any(name == _INFERRED for name, *_ in found):
        click.echo(f"Variants that nobody declared are declared in {settings.registry / 'experiment_variants.csv'}.")
    if is_edited:
        click.echo(
            f"The files in {settings.registry} are edited and not built yet: the verdicts are by what they were."
        )
