"""`ab-pipeline load`: files into the raw tables, and out of them again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import click

from ab_pipeline.commands.progress import progress_of
from ab_pipeline.commands.reading_options import reads_files
from ab_pipeline.files.reading import Reading
from ab_pipeline.raw_data import staged_load
from ab_pipeline.raw_data.contract import RAW_TABLES, RawTable
from ab_pipeline.raw_data.load import LoadOrder, LoadSummary, Replaced
from ab_pipeline.raw_data.load import load as load_files
from ab_pipeline.raw_data.load import undo as undo_files
from ab_pipeline.settings import get_settings
from ab_pipeline.warehouse.connect import embedded_warehouse

_SHOWN_DAYS = 5


@click.command()
@click.argument("table", type=click.Choice(list(RAW_TABLES)))
@click.argument("files", nargs=-1, required=True)
@click.option("--replace", is_flag=True, help="Put the files' days in the place of what is there.")
@click.option("--again", is_flag=True, help="Also a file that was loaded before, whose rows are then there twice.")
@click.option("--widen", is_flag=True, help="Give a column of the table the wider type that a file needs.")
@click.option("--undo", is_flag=True, help="Take the files' rows back: each once, or none.")
@reads_files
def load(
    *, table: str, files: tuple[str, ...], replace: bool, again: bool, widen: bool, undo: bool, reading: Reading
) -> None:
    """Load FILES, or globs of them, into a raw TABLE: all of them, or nothing.

    CSV with any delimiter, tab-separated text, Excel workbooks and Parquet, also compressed. The first file gives the
    table its types. A file that was loaded before, whatever it was called, is refused.
    """
    if undo and (replace or again or widen):
        raise click.UsageError("--undo goes with no other of --replace, --again and --widen")
    order = LoadOrder(Replaced.DAYS if replace else Replaced.NOTHING, again, widen, reading, progress_of)
    summary = _done(RAW_TABLES[table], files, order, undo=undo)
    verb = "taken back of" if undo else "from"
    click.echo(
        f"{RAW_TABLES[table].relation}: {_counted(summary.rows, 'row')} {verb} {_counted(len(summary.files), 'file')}"
        + (f", {_days(summary.days)}" if summary.days else "")
    )
    for remark in summary.remarks:
        click.echo(f"  {remark}")


def _done(table: RawTable, files: Sequence[str], order: LoadOrder, *, undo: bool) -> LoadSummary:
    settings = get_settings()
    if settings.target == "redshift":
        through_s3 = staged_load.undo_through_s3 if undo else staged_load.load_through_s3
        return through_s3(settings, table, files, order)
    with embedded_warehouse(settings, is_patient=True).open(read_only=False) as session:
        return (undo_files if undo else load_files)(session, table, files, order)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _days(days: Sequence[dt.date]) -> str:
    """`2026-01-03`, `3 days: 2026-01-03, ...`, or `40 days from ... to ...`."""
    if len(days) == 1:
        return str(days[0])
    if len(days) <= _SHOWN_DAYS:
        return f"{len(days)} days: {', '.join(map(str, days))}"
    return f"{len(days)} days from {days[0]} to {days[-1]}"
