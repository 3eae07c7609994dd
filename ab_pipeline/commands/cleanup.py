"""`ab-pipeline storage`, `cleanup` and `archive`: what Dagster keeps, removing it, and reading what was removed."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Column, Table

from ab_pipeline.commands.day import Day
from ab_pipeline.commands.terminal import console, show, verbose_option
from ab_pipeline.maintenance.storage import check_home, dagster_home
from ab_pipeline.settings import get_settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from ab_pipeline.maintenance.cleanup.story import Story

_NUMBERS = ("bytes", "runs", "of", "events", "rows", "files", "size")


@click.command()
@verbose_option
def storage(verbose: bool) -> None:
    """What Dagster and its runs keep, how fast it grows, and when the disk is full."""
    from ab_pipeline.maintenance.cleanup.open import open_clean_up
    from ab_pipeline.maintenance.cleanup.show import STORE_COLUMNS, outlook, problem_lines, size, store_rows

    with _instance() as instance:
        inventory = open_clean_up(instance, get_settings(), click.echo).measure()
        free = shutil.disk_usage(instance.root_directory).free
    _print(STORE_COLUMNS, store_rows(inventory.stores), spare=("rows or files a day", "bytes a day"), verbose=verbose)
    for line in problem_lines(inventory.stores):
        console().print(line)
    console().print(f"{size(sum(store.bytes for store in inventory.stores))} in all, {len(inventory.runs):,} runs")
    console().print(outlook(inventory.stores, free, inventory.at.date()))


@click.command()
@click.option("--apply/--dry-run", "apply", default=False, help="Do it; without, only say what would be done.")
@verbose_option
def cleanup(apply: bool, verbose: bool) -> None:
    """Archive and remove old runs, ticks, logs and files, by the settings AB_PIPELINE_CLEANUP_*."""
    from ab_pipeline.maintenance.cleanup.open import open_clean_up
    from ab_pipeline.maintenance.cleanup.show import PLAN_COLUMNS, kept_lines, plan_rows, summary

    with _instance() as instance:
        clean_up = open_clean_up(instance, get_settings(), click.echo)
        report = clean_up.apply() if apply else clean_up.preview()
    if rows := plan_rows(report.plan, report.before):
        _print(PLAN_COLUMNS, rows, fold=("because", "ended"), spare=("events", "of"), verbose=verbose)
    else:
        console().print("no run goes")
    for line in kept_lines(report.plan):
        console().print(line)
    console().print(summary(report))
    if report.errors:
        raise click.ClickException("\n".join(report.errors))


@click.group()
def archive() -> None:
    """Runs that were removed."""


@archive.command("list")
def list_days() -> None:
    """The days that have archived runs."""
    from ab_pipeline.maintenance.cleanup.archive import open_archive
    from ab_pipeline.maintenance.cleanup.show import size

    opened = open_archive(get_settings())
    files = opened.files()
    if not files:
        console().print(
            f"{opened.location} holds no archived runs: `ab-pipeline cleanup --apply` puts there what it removes"
        )
        return
    _print(("runs that ended on", "size", "file"), [(str(file.day), size(file.size), file.name) for file in files])


@archive.command("show")
@click.argument("run_id")
@click.option("--ended", type=Day(), help="Look only at the runs that ended on this day, UTC.")
@click.option("--logs/--no-logs", default=True, help="Also what the run printed.")
def show_run(run_id: str, ended: dt.date | None, logs: bool) -> None:
    """The story of an archived run: its events, why it failed, and what it printed. The start of RUN_ID is enough."""
    from ab_pipeline.maintenance.cleanup.archive import open_archive

    story = open_archive(get_settings()).find(run_id, ended)
    if not story:
        raise click.ClickException(
            f"no archived run has an id like {run_id}; `ab-pipeline archive list` names the days"
        )
    _print_story(story, logs=logs)


def _print_story(story: Story, *, logs: bool) -> None:
    began, ended = (dt.datetime.fromtimestamp(at, dt.UTC) for at in (story.created_at, story.ended_at))
    click.echo(f"run {story.run_id}\njob {story.job}: {story.status}")
    click.echo(f"created {began:%Y-%m-%d %H:%M:%S} UTC, ended {ended:%Y-%m-%d %H:%M:%S} UTC")
    for name, value in sorted((story.run.get("tags") or {}).items()):
        click.echo(f"{name}: {value}")
    click.echo()
    for line in story.lines():
        click.echo(line)
    for log in story.logs if logs else ():
        for stream, text in (("stdout", log.stdout), ("stderr", log.stderr)):
            if text:
                click.echo(f"\n{stream} of {', '.join(log.steps)}\n{text.rstrip()}")


@contextmanager
def _instance() -> Iterator[DagsterInstance]:
    # Dagster takes seconds to import, which no other command needs
    from dagster import DagsterInstance

    home = dagster_home()
    check_home(home)
    with DagsterInstance.from_config(str(home)) as instance:
        yield instance


def _print(
    columns: tuple[str, ...],
    rows: list[tuple[str, ...]],
    *,
    fold: tuple[str, ...] = (),
    spare: tuple[str, ...] = (),
    verbose: bool = False,
) -> None:
    aligned = [Column(name, justify="right" if name.split()[0] in _NUMBERS else "left") for name in columns]
    table = Table(*aligned)
    for row in rows:
        table.add_row(*map(escape, row))
    show(table, fold=fold, spare=spare, verbose=verbose)
