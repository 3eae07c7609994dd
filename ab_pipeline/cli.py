"""`ab-pipeline`: what a person needs beside Dagster's own commands, and what must work when it is down."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Column, Table

from ab_pipeline.commands.analyze import analyze
from ab_pipeline.commands.audit import audit
from ab_pipeline.commands.backup import backup, backup_key, backups, restore, verify
from ab_pipeline.commands.changes import changes
from ab_pipeline.commands.cleanup import archive, cleanup, storage
from ab_pipeline.commands.migrate_storage import migrate_storage
from ab_pipeline.commands.placebo import placebo
from ab_pipeline.commands.readout import readout, verdicts
from ab_pipeline.commands.recorded import recorded
from ab_pipeline.commands.report import report
from ab_pipeline.commands.rollback import diff, rollback
from ab_pipeline.commands.sample import late_rows, sample
from ab_pipeline.commands.serve import serve
from ab_pipeline.commands.smoke import smoke
from ab_pipeline.commands.tokens import tokens
from ab_pipeline.commands.users import users
from ab_pipeline.door.accounts import AccountsError
from ab_pipeline.experiments.registry import RegistryError
from ab_pipeline.maintenance.backup.catalog import BackupError
from ab_pipeline.maintenance.backup.sealed_json import DamagedError
from ab_pipeline.maintenance.cleanup.errors import CleanupError
from ab_pipeline.maintenance.object_store import StoreError
from ab_pipeline.maintenance.storage import StorageError
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA
from ab_pipeline.raw_data.files import LoadError
from ab_pipeline.raw_data.load import load as load_files
from ab_pipeline.raw_data.staged_load import load_through_s3
from ab_pipeline.readouts.errors import ReadoutError
from ab_pipeline.rollback import RollbackError
from ab_pipeline.settings import SettingsError, get_settings
from ab_pipeline.summary import row_counts, variants
from ab_pipeline.user_table.file import UserTableError
from ab_pipeline.warehouse.base import BUILT_SCHEMA, HOW_TO_BUILD, WarehouseError
from ab_pipeline.warehouse.connect import embedded_warehouse, warehouse_of

# a narrow window, or none, cuts nothing: variants of an experiment begin alike
_console = Console(width=1000, soft_wrap=True)


_EXPECTED = (
    AccountsError,
    SettingsError,
    WarehouseError,
    LoadError,
    RollbackError,
    BackupError,
    CleanupError,
    DamagedError,
    ReadoutError,
    RegistryError,
    StorageError,
    StoreError,
    UserTableError,
)


class _PlainErrors(click.Group):
    """Expected errors end a command with their sentence and exit code 1, never a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except _EXPECTED as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            # `| head`: click knows what to do
            raise
        except OSError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_PlainErrors, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="ab-pipeline")
def main() -> None:
    """Trusted A/B-test tables on Dagster and dbt."""


for command in (
    recorded(sample),
    recorded(late_rows),
    changes,
    diff,
    recorded(rollback),
    verdicts,
    readout,
    report,
    placebo,
    recorded(backup),
    backups,
    verify,
    recorded(restore, lambda params: not params["dry_run"]),
    backup_key,
    recorded(migrate_storage),
    smoke,
    storage,
    recorded(cleanup, lambda params: params["apply"]),
    archive,
    analyze,
    recorded(users),
    recorded(tokens),
    audit,
    serve,
):
    main.add_command(command)


@click.command()
@click.argument("table", type=click.Choice(list(RAW_TABLES)))
@click.argument("files", nargs=-1, required=True)
@click.option("--replace", is_flag=True, help="Delete the table's rows first, in the same transaction.")
def load(table: str, files: tuple[str, ...], replace: bool) -> None:
    """Load CSV or Parquet FILES, or globs of them, into a raw TABLE: all of them, or nothing."""
    settings = get_settings()
    if settings.target == "redshift":
        summary = load_through_s3(settings, RAW_TABLES[table], files, replace=replace)
    else:
        with embedded_warehouse(settings).open(read_only=False) as session:
            summary = load_files(session, RAW_TABLES[table], files, replace=replace)
    _console.print(f"{SCHEMA}.{table}: {summary.rows:,} rows from {len(summary.files)} files")


main.add_command(recorded(load))


@main.command()
def summary() -> None:
    """What is built: rows per table, and each variant's totals."""
    with warehouse_of(get_settings()).open() as session:
        counts = row_counts(session)
        if "analytics_variant_user_daily" not in counts:
            raise click.ClickException(f"nothing is built yet: {HOW_TO_BUILD}")
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
