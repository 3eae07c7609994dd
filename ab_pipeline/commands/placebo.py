"""`ab-pipeline placebo`: does the read-out keep its promise on the team's own users?"""

from __future__ import annotations

import math

import click
from rich.progress import Progress
from rich.table import Column, Table

from ab_pipeline.commands.terminal import show
from ab_pipeline.settings import get_settings
from ab_pipeline.warehouse.connect import warehouse_of


@click.command()
@click.argument("experiment", required=False)
@click.option("--runs", type=click.IntRange(1), default=200, show_default=True, help="How often users are drawn.")
@click.option("--seed", type=int, default=1, show_default=True, help="Equal seeds draw equally.")
def placebo(experiment: str | None, runs: int, seed: int) -> None:
    """Draw the users of an EXPERIMENT (of the largest without one) into two groups by lot, and count what is found.

    Nothing differs between the groups, so that 5 % of the runs should find something at p < 0.05.
    """
    from ab_pipeline.experiments.registry import read_registry
    from ab_pipeline.experiments.words import METHODS
    from ab_pipeline.readouts import placebo as placebos

    settings = get_settings()
    registry = read_registry(settings.registry)
    with warehouse_of(settings, is_patient=True).open() as session, Progress(transient=True) as progress:
        task = progress.add_task("drawing", total=runs)
        name, users, found = placebos.placebo(
            session,
            registry,
            experiment,
            runs=runs,
            seed=seed,
            on_run=lambda done: progress.update(task, completed=done),
        )
    margin = 1.96 * math.sqrt(placebos.ALPHA * (1 - placebos.ALPHA) / runs)
    table = Table(
        "metric",
        "method",
        Column("false positives", justify="right"),
        title=f"{users:,} users of {name} in two groups by lot, {runs:,} times: {placebos.ALPHA:.0%}"
        f" ± {margin:.1%} is to be expected of a planned test, less of an always-valid one",
        title_justify="left",
    )
    for one in found:
        table.add_row(one.metric_id, METHODS[one.method], f"{one.rate:.1%}")
    show(table)
