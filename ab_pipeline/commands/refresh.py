"""`ab-pipeline refresh`: build days anew, wherever Dagster runs."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ab_pipeline.commands.day import Day
from ab_pipeline.maintenance.storage import dagster_home
from ab_pipeline.settings import get_settings
from ab_pipeline.warehouse.connect import warehouse_of

if TYPE_CHECKING:
    from ab_pipeline.refresh.days import Days
    from ab_pipeline.refresh.run import Dagster, Standing

_SECONDS_BETWEEN_LOOKS = 0.3
_SEPARATOR = ".."


class Range(click.ParamType):
    """A day, or two with dots between them."""

    name = "day"

    def convert(
        self, value: str | tuple[dt.date, dt.date], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[dt.date, dt.date]:
        """The first and the last day; click's error if there are none."""
        if isinstance(value, tuple):
            return value
        first, separator, last = value.partition(_SEPARATOR)
        days = [Day().convert(day.strip("."), param, ctx) for day in ([first, last] if separator else [first])]
        return days[0], days[-1]


@click.command()
@click.argument("days", type=Range(), metavar="[DAY[..DAY]]", required=False)
@click.option("--all", "is_all", is_flag=True, help="Every day that has events.")
def refresh(days: tuple[dt.date, dt.date] | None, is_all: bool) -> None:
    """Build DAY, or each day from DAY to DAY, from what the raw tables hold; without one, the days that are due.

    Goes through the Dagster that runs with this DAGSTER_HOME, or at AB_PIPELINE_DAGSTER_URL where AB_PIPELINE_TOKEN is
    set; in this process where none runs. Ends when the runs have ended, with exit code 1 if one failed.
    """
    from ab_pipeline.refresh.days import Days, RefreshError, calendar_of, checked, due_days, every_day
    from ab_pipeline.refresh.here import ThisProcess, opened
    from ab_pipeline.refresh.there import running_dagster

    if days and is_all:
        raise click.UsageError("--all goes with no DAY")
    settings, home = get_settings(), dagster_home()
    calendar, warehouse = calendar_of(settings), warehouse_of(settings, is_patient=True)
    if days:
        ranges = [checked(Days(*days), calendar)]
    elif is_all:
        ranges = [every_day(warehouse, calendar)]
    else:
        ranges, unreachable = due_days(warehouse, calendar, settings)
        for sentence in unreachable:
            click.echo(sentence, err=True)
        if not ranges:
            click.echo("Nothing is due: what is built is what the raw tables say. Name a DAY to build it all the same.")
            return
    there = running_dagster(settings, home)
    with nullcontext() if there else opened(home) as instance:
        dagster: Dagster = there or ThisProcess(instance)  # type: ignore[arg-type] it is open where nobody else runs
        click.echo(f"refresh {', '.join(map(str, ranges))}, {dagster.place}", err=True)
        failed = [one for one in _refreshed(dagster, ranges) if one]
    if failed:
        raise RefreshError("\n".join(failed))


def _refreshed(dagster: Dagster, ranges: Sequence[Days]) -> list[str]:
    """Each run in turn; why it failed, or nothing."""
    return [_followed(dagster, days, dagster.start(days)) for days in ranges]


def _followed(dagster: Dagster, days: Days, run_id: str) -> str:
    from ab_pipeline.refresh.run import ENDED, SUCCESS

    console, told = Console(stderr=True), ""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[word]}"), TimeElapsedColumn())
    bars = Progress(
        *columns,
        console=console,
        transient=True,
        # the run's thread has standard output put aside, since dbt tells all that it does
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    )
    with bars as bar:
        task = bar.add_task(str(days), total=None, word="")
        while True:
            now = dagster.standing(run_id)
            # of several days each asset is recorded once a day
            of = now.of if days.first == days.last else 0
            word = _word(now, of)
            bar.update(task, total=of or None, completed=now.built, word=word)
            if word != told and not console.is_terminal:
                click.echo(f"{days}: {word}", err=True)
                told = word
            if now.status in ENDED:
                break
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    if now.status == SUCCESS:
        click.echo(f"{days}: refreshed, run {run_id}")
        return ""
    return f"{days}: run {run_id} ended as {now.status}" + (f"\n{now.why}" if now.why else "")


def _word(standing: Standing, of: int) -> str:
    if standing.status == "STARTED":
        return f"{standing.built} of {of} assets" if of and standing.built else "building"
    return {"NOT_STARTED": "queued", "QUEUED": "queued"}.get(standing.status, standing.status.lower())
