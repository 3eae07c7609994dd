"""`ab-pipeline analyze`: the read-out of one file, with nothing else to set up."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import click

from ab_pipeline.commands.progress import progress_of
from ab_pipeline.commands.reading_options import reads_files
from ab_pipeline.commands.terminal import verbose_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--variant", metavar="COL", help="The column that says which variant a user got.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="COL[:kind]",
    help="A metric: mean, count or proportion of a column, or COL/COL for a ratio of sums. A column of yes and no, or"
    " of 0 and 1, is a proportion, another a mean. Once or more: each decides, adjusted for their number.",
)
@click.option(
    "--guardrail",
    "guardrails",
    multiple=True,
    metavar="COL[:kind][:margin]",
    help="A metric that has to be shown not to get worse by its margin, such as crashes:proportion:0.02; the margin is"
    " --minimum-effect without.",
)
@click.option("--secondary", multiple=True, metavar="COL[:kind]", help="A metric that is read out and decides nothing.")
@click.option(
    "--missing",
    type=click.Choice(["zero", "drop"]),
    default="zero",
    show_default=True,
    help="What an empty cell of a metric means: the user did nothing, or nobody measured it.",
)
@click.option(
    "--control", metavar="NAME", help="The variant to compare with; guessed by its name or size, and told, without."
)
@click.option(
    "--user",
    metavar="COL",
    help="The column that names users, who have one row each; guessed by its name, and told, without. '' for none.",
)
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
@click.option("--sum-rows", is_flag=True, help="A row is a session or a day: sum up those of each --user.")
@click.option(
    "--wide",
    is_flag=False,
    flag_value="",
    metavar="[COL,...]",
    help="A column is a variant, a cell the value of a user: all columns of numbers, or these.",
)
@click.option(
    "--counts",
    is_flag=False,
    flag_value="",
    metavar="[COL]",
    help="A row stands for as many users as this column says, and the metric is how many of them did something.",
)
@click.option("--plan", "is_plan", is_flag=True, help="Plan an experiment instead: FILE has the users as they were.")
@click.option("--users-per-day", type=click.FloatRange(0, min_open=True), metavar="N", help="Of a plan: who will come.")
@click.option(
    "--treatments",
    type=click.IntRange(1, 19),
    default=1,
    show_default=True,
    help="Of a plan: variants beside the control, all alike; --weight NAME=SHARE says otherwise, the control first.",
)
@click.option("--sequential", is_flag=True, help="Of a plan: it stops at the first look that finds the effect.")
@verbose_option
@click.option("--json", "as_json", is_flag=True, help="Print the read-out as JSON, for programs.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), metavar="PAGE.html", help="Write a page.")
@reads_files
def analyze(
    *,
    file: Path,
    variant: str | None,
    wide: str | None,
    counts: str | None,
    metrics: tuple[str, ...],
    segments: tuple[str, ...],
    lower_is_better: tuple[str, ...],
    weights: tuple[str, ...],
    is_plan: bool,
    users_per_day: float | None,
    treatments: int,
    sequential: bool,
    verbose: bool,
    as_json: bool,
    report: Path | None,
    **options: object,
) -> None:
    """Read out FILE, which has one row per user: CSV, Excel or Parquet. Its last day is taken to be the planned end.

    An empty cell of a metric counts as 0, unless --missing drop: a user without events did nothing. Rows without a
    variant are left out.
    """
    if is_plan and (not metrics or users_per_day is None or wide is not None or counts is not None or report):
        raise click.UsageError(
            "--plan takes --metric and --users-per-day, and a row a user: no --wide, --counts, --report"
        )
    if not is_plan and (users_per_day is not None or treatments > 1 or sequential):
        raise click.UsageError("--users-per-day, --treatments and --sequential are of a plan: say --plan too")
    if wide is None and not is_plan and (variant is None or not (metrics or options["guardrails"])):
        raise click.UsageError("say with --variant which column names the variants, and with --metric what to compare")
    if wide is not None and (options["guardrails"] or options["secondary"]):
        raise click.UsageError(
            "with --wide the columns are variants of one metric: leave --guardrail and --secondary out"
        )
    if wide is not None and (variant, counts) != (None, None):
        raise click.UsageError("with --wide the columns are the variants: leave --variant and --counts out")
    # tea-tasting and scipy take a second to import, which no other command needs
    from ab_pipeline.commands.readout_text import print_readout
    from ab_pipeline.experiments.contract import to_json
    from ab_pipeline.experiments.report.page import page
    from ab_pipeline.user_table.analyze import analyze as analyze_file
    from ab_pipeline.user_table.question import Question

    question = Question(
        file,
        variant=variant or "",
        metrics=metrics,
        segments=segments,
        lower_is_better=frozenset(lower_is_better),
        weights=dict(map(_weight, weights)),
        wide=None if wide is None else tuple(name.strip() for name in wide.split(",") if name.strip()),
        counts=counts,
        **options,  # type: ignore[arg-type]
    )
    if is_plan:
        from ab_pipeline.commands.plan_text import print_plan
        from ab_pipeline.user_table.plan import plan_from_file

        planned = plan_from_file(
            question,
            users_per_day=users_per_day or 0.0,
            treatments=treatments,
            is_sequential=sequential,
            watch=progress_of,
        )
        if as_json:
            click.echo(json.dumps(planned.plan.document(), indent=2))
        else:
            print_plan(planned.plan, planned.remarks, verbose=verbose)
        return
    answer = analyze_file(question, dt.datetime.now(dt.UTC).date(), progress_of)
    if report:
        report.write_text(page(answer), encoding="utf-8")
        click.echo(f"Wrote {report}", err=True)
    if as_json:
        click.echo(to_json(answer.readout))
    else:
        print_readout(answer, verbose=verbose)


def _weight(text: str) -> tuple[str, float]:
    name, _, share = text.rpartition("=")
    try:
        weight = float(share)
    except ValueError:
        weight = 0.0
    if not name or not 0 < weight < float("inf"):
        raise click.BadParameter(f"{text!r} is not like control=0.9", param_hint="--weight")
    return name, weight
