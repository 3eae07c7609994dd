"""`ab-pipeline diff` and `ab-pipeline rollback`: the last two builds of some days, side by side and swapped."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import fields

import click
from rich.table import Column, Table
from rich.text import Text

from ab_pipeline.commands.day import Day
from ab_pipeline.commands.terminal import console, show
from ab_pipeline.rollback import DayDiff, Totals, changed_rows, roll_back
from ab_pipeline.rollback import diff as diff_of
from ab_pipeline.settings import get_settings
from ab_pipeline.warehouse.base import Row
from ab_pipeline.warehouse.connect import warehouse_of
from ab_pipeline.warehouse.retry import retried

_SIGNS = {"added": "+", "removed": "-"}


@click.command()
@click.argument("day", type=Day())
@click.argument("last_day", type=Day(), required=False)
@click.option("--rows", default=0, type=click.IntRange(min=0), help="Show so many of the changed rows.")
def diff(day: dt.date, last_day: dt.date | None, rows: int) -> None:
    """What the newest build that changed DAY, or each day up to LAST_DAY, changed."""
    first, last = day, last_day or day
    with warehouse_of(get_settings(), is_patient=True).open() as session:
        days = diff_of(session, first, last)
        columns, examples = changed_rows(session, first, last, rows)
    _show(days)
    if rows:
        _show_rows(columns, examples)


@click.command()
@click.argument("day", type=Day())
@click.argument("last_day", type=Day(), required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
def rollback(day: dt.date, last_day: dt.date | None, yes: bool) -> None:
    """Put the previous build of DAY, or of each day up to LAST_DAY, back.

    A day stays so until its raw events change or it is refreshed. Of a range, days without a logged change, and days
    that are rolled back already, are left as they are.
    """
    settings = get_settings()
    warehouse = warehouse_of(settings, is_patient=True)
    # not kept open while a person thinks: nobody else could write
    with warehouse.open() as session:
        days = diff_of(session, day, last_day or day)
    _show(days)
    if not yes and any(shown.can_be_rolled_back for shown in days):
        click.confirm("Put the rows before these changes back?", abort=True)

    def roll_back_days() -> tuple[dt.date, ...]:
        with warehouse.open(read_only=False) as session:
            return roll_back(session, days)

    done = retried(roll_back_days, settings.redshift_retries)
    console().print(f"rolled back: {', '.join(map(str, done))}")
    console().print("Verdicts and pages follow with the next refresh.")


def _show(days: Sequence[DayDiff]) -> None:
    for day in days:
        console().print(f"{day.day}: {_what_happened(day)}")
        if day.change is None:
            continue
        names = [field.name for field in fields(Totals)]
        table = Table("", *(Column(name, justify="right") for name in names))
        for title, totals in (("before", day.before), ("after", day.after)):
            table.add_row(title, *(f"{getattr(totals, name):,}" for name in names))
        show(table)


def _what_happened(day: DayDiff) -> str:
    if day.change is None:
        return "no logged change"
    build = f"build {day.change.build_id} of {day.change.built_at} UTC"
    rows = f"rows: {day.change.added:,} added, {day.change.removed:,} removed, {day.change.changed:,} changed"
    if day.rolled_back_at:
        return f"{build} was rolled back at {day.rolled_back_at} UTC, {rows}"
    return f"{build}, {rows}"


def _show_rows(columns: Sequence[str], rows: Sequence[Row]) -> None:
    table = Table(*("" if column == "change" else column for column in columns))
    for change, *values in rows:
        table.add_row(_SIGNS[change], *(Text("" if value is None else str(value)) for value in values))
    show(table)
