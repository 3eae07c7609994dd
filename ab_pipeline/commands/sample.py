"""`ab-pipeline sample` and `ab-pipeline late-rows`: made-up raw data, and some of it that comes late."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ab_pipeline.automation.signatures import newest_day, read_raw_tables
from ab_pipeline.commands.day import Day
from ab_pipeline.commands.terminal import console
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA
from ab_pipeline.raw_data.load import LoadOrder, Replaced
from ab_pipeline.raw_data.staged_load import load_through_s3
from ab_pipeline.sample_data.experiments import LAST_DAY
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.generate import late_rows as append_late_rows
from ab_pipeline.sample_data.spec import SampleSpec, SampleSummary
from ab_pipeline.settings import Settings, get_settings
from ab_pipeline.warehouse.base import Session, tables_in
from ab_pipeline.warehouse.connect import embedded_warehouse, warehouse_of
from ab_pipeline.warehouse.duckdb import DuckDBSession, DuckDBWarehouse


@click.command()
@click.option("--users", default=SampleSpec.users, show_default=True, help="Users in all.")
@click.option("--days", default=SampleSpec.days, show_default=True, help="Days, up to --end-date.")
@click.option("--events-per-day", default=SampleSpec.events_per_day, show_default=True, help="Rows a day.")
@click.option("--seed", default=SampleSpec.seed, show_default=True, help="Equal seeds give equal rows.")
@click.option("--end-date", default=str(SampleSpec.end_date), show_default=True, type=Day(), help="The newest day.")
@click.option("--replace", is_flag=True, help="Replace raw tables that already have rows.")
def sample(*, end_date: dt.date, replace: bool, **size: Any) -> None:
    """Fill the raw tables with five made-up experiments whose true effects are known."""
    try:
        spec = SampleSpec(**size, end_date=end_date)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    settings = get_settings()
    warehouse = warehouse_of(settings, is_patient=True)
    if not replace and (settings.target == "redshift" or settings.duckdb_path.exists()):
        with warehouse.open() as session:
            _refuse_to_overwrite(session)
    if isinstance(warehouse, DuckDBWarehouse):
        place = str(warehouse.path)
        with warehouse.open(read_only=False) as session:
            summary = filled(session, spec)
    else:
        place = f"{settings.redshift_host}/{settings.redshift_database}"
        summary = _generate_through_s3(settings, spec)
    rows = ", ".join(f"{name} {count:,}" for name, count in summary.rows.items())
    console().print(f"{place}: {rows} rows, {summary.first_day} to {summary.last_day}")


@click.command()
@click.argument("day", type=Day(), required=False)
@click.option("--rows", default=5, show_default=True, help="How many.")
def late_rows(day: dt.date | None, rows: int) -> None:
    """Append new events of an old DAY, by default the fifteenth before the newest, to a sample of the default size."""
    try:
        with embedded_warehouse(get_settings(), is_patient=True).open(read_only=False) as session:
            read_raw_tables(session)
            newest = newest_day(session, dt.date.max - dt.timedelta(days=1)) or LAST_DAY
            day = day or newest - dt.timedelta(days=15)
            append_late_rows(session, SampleSpec(end_date=newest, moved_by=newest - LAST_DAY), day, rows)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"{rows} events of {day} landed late in raw_data.user_event")


def filled(session: DuckDBSession, spec: SampleSpec) -> SampleSummary:
    """The raw tables with the sample in them, and a bar meanwhile."""
    with _progress() as progress:
        task = progress.add_task("days", total=spec.days)
        return generate(session, spec, on_day=lambda done: progress.update(task, completed=done))


def _generate_through_s3(settings: Settings, spec: SampleSpec) -> SampleSummary:
    """Made here, as files that are loaded as anybody's are."""
    with TemporaryDirectory() as folder:
        with DuckDBWarehouse(Path(folder, "sample.duckdb")).open(read_only=False) as session:
            summary = filled(session, spec)
            for table in RAW_TABLES.values():
                session.run(f"copy {table.relation} to '{folder}/{table.name}.parquet'")
        for table in RAW_TABLES.values():
            load_through_s3(settings, table, [f"{folder}/{table.name}.parquet"], LoadOrder(Replaced.ALL))
    return summary


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns)


def _refuse_to_overwrite(session: Session) -> None:
    for name in tables_in(session, SCHEMA) & RAW_TABLES.keys():
        [(rows,)] = session.rows(f"select count(*) from {SCHEMA}.{name}")
        if rows:
            raise click.ClickException(
                f"{SCHEMA}.{name} already has {rows:,} rows. --replace gives them up for the sample;"
                " AB_PIPELINE_DUCKDB_PATH names another file, AB_PIPELINE_RAW_SCHEMA another schema."
            )
