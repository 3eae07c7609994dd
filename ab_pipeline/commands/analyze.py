"""`ab-pipeline analyze`: the read-out of one file, with nothing else to set up."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click
from rich.console import Console


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--variant", required=True, metavar="COL", help="The column that says which variant a user got.")
@click.option(
    "--metric",
    "metrics",
    required=True,
    multiple=True,
    metavar="COL[:kind]",
    help="A metric: mean, count or proportion of a column, or COL/COL for a ratio of sums. A boolean column is a"
    " proportion, another a mean. Once or more; the first one decides.",
)
@click.option("--control", metavar="NAME", help="The variant to compare with: `control` or the first by name without.")
@click.option("--user", metavar="COL", help="The column that names users, to be sure that each has one row.")
@click.option("--covariate", metavar="COL", help="A number known of each user before the experiment; gives CUPED.")
@click.option(
    "--segment",
    "segments",
    multiple=True,
    metavar="COL",
    help="A column of few values that was known before the experiment, such as a country: its groups are compared.",
)
@click.option(
    "--cap",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="QUANTILE",
    help="Cut totals of means at this quantile of the non-zero ones, such as 0.99.",
)
@click.option("--lower-is-better", multiple=True, metavar="COL", help="A metric that should fall.")
@click.option(
    "--minimum-effect",
    type=click.FloatRange(0, min_open=True),
    default=0.05,
    show_default=True,
    help="The smallest relative effect that matters.",
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    metavar="NAME=SHARE",
    help="The expected share of a variant, where they are not alike.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the read-out as JSON, for programs.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), metavar="PAGE.html", help="Write a page.")
def analyze(
    *,
    file: Path,
    metrics: tuple[str, ...],
    segments: tuple[str, ...],
    lower_is_better: tuple[str, ...],
    weights: tuple[str, ...],
    as_json: bool,
    report: Path | None,
    **options: object,
) -> None:
    """Read out FILE, a CSV or Parquet file with one row per user. Its last day is taken to be the planned end.

    An empty cell of a metric counts as 0: a user without events did nothing. Rows without a variant are left out.
    """
    # tea-tasting and scipy take a second to import, which no other command needs
    from ab_pipeline.commands.readout_text import print_readout
    from ab_pipeline.experiments.contract import to_json
    from ab_pipeline.experiments.report.page import page
    from ab_pipeline.user_table.analyze import analyze as analyze_file
    from ab_pipeline.user_table.question import Question

    question = Question(
        file,
        metrics=metrics,
        segments=segments,
        lower_is_better=frozenset(lower_is_better),
        weights=dict(map(_weight, weights)),
        **options,  # type: ignore[arg-type]
    )
    answer = analyze_file(question, dt.datetime.now(dt.UTC).date())
    if report:
        report.write_text(page(answer), encoding="utf-8")
        click.echo(f"Wrote {report}", err=True)
    if as_json:
        click.echo(to_json(answer.readout))
    else:
        print_readout(Console(width=1000, soft_wrap=True), answer)


def _weight(text: str) -> tuple[str, float]:
    name, _, share = text.rpartition("=")
    try:
        weight = float(share)
    except ValueError:
        weight = 0.0
    if not name or not 0 < weight < float("inf"):
        raise click.BadParameter(f"{text!r} is not like control=0.9", param_hint="--weight")
    return name, weight
