"""`ab-pipeline`: what a person needs beside Dagster's own commands, and what must work when it is down."""

from __future__ import annotations

import datetime as dt

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA
from ab_pipeline.raw_data.files import LoadError
from ab_pipeline.raw_data.load import load as load_files
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.settings import SettingsError, get_settings
from ab_pipeline.summary import row_counts, variants
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Session, WarehouseError
from ab_pipeline.warehouse.connect import embedded_warehouse, warehouse_of

# a narrow window, or none, cuts nothing: variants of an experiment begin alike
_console = Console(width=1000, soft_wrap=True)


class _PlainErrors(click.Group):
    """Expected errors end a command with their sentence and exit code 1, never a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (SettingsError, WarehouseError, LoadError) as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            # `| head`: click knows what to do
            raise
        except OSError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_PlainErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ab-pipeline")
def main() -> None:
    """Trusted A/B-test tables on Dagster and dbt."""


@main.command()
@click.option("--users", default=SampleSpec.users, show_default=True, help="Users in all.")
@click.option("--days", default=SampleSpec.days, show_default=True, help="Days, up to --end-date.")
@click.option("--events-per-day", default=SampleSpec.events_per_day, show_default=True, help="Rows a day.")
@click.option("--seed", default=SampleSpec.seed, show_default=True, help="Equal seeds give equal rows.")
@click.option(
    "--end-date",
    default=str(SampleSpec.end_date),
    show_default=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="The newest day.",
)
@click.option("--replace", is_flag=True, help="Replace raw tables that already have rows.")
def sample(*, end_date: dt.datetime, replace: bool, **size: int) -> None:
    """Fill the raw tables with five made-up experiments whose true effects are known."""
    try:
        spec = SampleSpec(**size, end_date=end_date.date())
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    warehouse = embedded_warehouse(get_settings())
    with warehouse.open(read_only=False) as session:
        if not replace:
            _refuse_to_overwrite(session)
        with _progress() as progress:
            task = progress.add_task("days", total=spec.days)
            summary = generate(session, spec, on_day=lambda done: progress.update(task, completed=done))
    rows = ", ".join(f"{name} {count:,}" for name, count in summary.rows.items())
    _console.print(f"{warehouse.path}: {rows} rows, {summary.first_day} to {summary.last_day}")


@main.command()
@click.argument("table", type=click.Choice(list(RAW_TABLES)))
@click.argument("files", nargs=-1, required=True)
@click.option("--replace", is_flag=True, help="Delete the table's rows first, in the same transaction.")
def load(table: str, files: tuple[str, ...], replace: bool) -> None:
    """Load CSV or Parquet FILES, or globs of them, into a raw TABLE: all of them, or nothing."""
    with embedded_warehouse(get_settings()).open(read_only=False) as session:
        summary = load_files(session, RAW_TABLES[table], files, replace=replace)
    _console.print(f"{SCHEMA}.{table}: {summary.rows:,} rows from {len(summary.files)} files")


@main.command()
def summary() -> None:
    """What is built: rows per table, and each variant's totals."""
    with warehouse_of(get_settings()).open() as session:
        counts = row_counts(session)
        if "analytics_variant_user_daily" not in counts:
            raise click.ClickException("nothing is built yet: see `make demo`, or run `dagster dev`")
        built = variants(session)
    tables = Table("table", *_right("rows"), title=f"Built in schema {BUILT_SCHEMA}", title_justify="left")
    for name, count in counts.items():
        tables.add_row(name, f"{count:,}")
    _console.print(tables)
    days = [day for row in built for day in (row.first_day, row.last_day) if day]
    daily = Table(
        "variant",
        *_right("users", "impressions", "clicks", "purchases", "revenue"),
        title=f"analytics_variant_user_daily{f', {min(days)} to {max(days)}' if days else ''}, users with events",
        title_justify="left",
    )
    for row in built:
        numbers = (row.users, row.impressions, row.clicks, row.purchases, row.revenue)
        daily.add_row(row.variant_id or "(none)", *(f"{number:,}" for number in numbers))
    _console.print(daily)


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns)


def _refuse_to_overwrite(session: Session) -> None:
    there = {
        name
        for (name,) in session.rows("select table_name from information_schema.tables where table_schema = ?", [SCHEMA])
    }
    for name in there & RAW_TABLES.keys():
        [(rows,)] = session.rows(f"select count(*) from {SCHEMA}.{name}")
        if rows:
            raise click.ClickException(
                f"{SCHEMA}.{name} already has {rows:,} rows. --replace gives them up for the sample;"
                " AB_PIPELINE_DUCKDB_PATH names another file."
            )
