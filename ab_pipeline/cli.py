"""`ab-pipeline`: what a person needs beside Dagster's own commands, and what must work when it is down."""

from __future__ import annotations

import sys

import click
from rich.markup import escape
from rich.table import Column, Table

from ab_pipeline import demo as demo_place
from ab_pipeline.commands.analyze import analyze
from ab_pipeline.commands.audit import audit
from ab_pipeline.commands.backup import backup, backup_key, backups, restore, verify
from ab_pipeline.commands.changes import changes
from ab_pipeline.commands.cleanup import archive, cleanup, storage
from ab_pipeline.commands.config import config
from ab_pipeline.commands.daemon import daemon
from ab_pipeline.commands.demo import demo
from ab_pipeline.commands.dev import dev
from ab_pipeline.commands.doctor import doctor
from ab_pipeline.commands.load import load
from ab_pipeline.commands.migrate_storage import migrate_storage
from ab_pipeline.commands.placebo import placebo
from ab_pipeline.commands.readout import readout, verdicts
from ab_pipeline.commands.recorded import recorded
from ab_pipeline.commands.refresh import refresh
from ab_pipeline.commands.report import report
from ab_pipeline.commands.rollback import diff, rollback
from ab_pipeline.commands.sample import late_rows, sample
from ab_pipeline.commands.serve import serve
from ab_pipeline.commands.smoke import smoke
from ab_pipeline.commands.terminal import show
from ab_pipeline.commands.tokens import tokens
from ab_pipeline.commands.users import users
from ab_pipeline.commands.watch import watch
from ab_pipeline.errors import UserError
from ab_pipeline.settings import get_settings
from ab_pipeline.summary import row_counts, variants
from ab_pipeline.warehouse.base import BUILT_SCHEMA, HOW_TO_BUILD
from ab_pipeline.warehouse.connect import warehouse_of

# by module: the errors of libraries that say what a person can mend; a library that was not imported raised none
_OF_LIBRARIES = {
    "dagster": "DagsterError",
    "duckdb": "Error",
    "sqlalchemy.exc": "SQLAlchemyError",
    "yaml": "YAMLError",
}


class _PlainErrors(click.Group):
    """Errors of a person's making end a command with their sentence and exit code 1, never a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except UserError as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            # `| head`: click knows what to do
            raise
        except OSError as error:
            raise click.ClickException(str(error)) from error
        except _errors_of_libraries() as error:
            raise click.ClickException(str(error).strip() or type(error).__name__) from error


def _errors_of_libraries() -> tuple[type[Exception], ...]:
    return tuple(getattr(sys.modules[module], name) for module, name in _OF_LIBRARIES.items() if module in sys.modules)


# what one brings one's own data with, or needs none for
_NEVER_OF_THE_DEMO = {"load", "sample", "demo", "analyze", "backup-key", "smoke"}


@click.group(cls=_PlainErrors, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="ab-pipeline")
@click.option("--demo", "is_demo", is_flag=True, help="Work on the demo that `make demo` makes, in data/demo.")
@click.pass_context
def main(context: click.Context, is_demo: bool) -> None:
    """Trusted A/B-test tables on Dagster and dbt."""
    if is_demo:
        if not demo_place.is_there():
            raise click.ClickException(f"there is no demo in {demo_place.FOLDER}: `make demo` makes it")
        demo_place.use()
    elif context.invoked_subcommand not in _NEVER_OF_THE_DEMO and demo_place.is_all_there_is():
        click.echo(f"This is the demo, in {demo_place.FOLDER}: there is no setting and no data of your own.", err=True)
        demo_place.use()


for command in (
    recorded(load),
    recorded(sample),
    recorded(late_rows),
    changes,
    recorded(refresh),
    config,
    demo,
    dev,
    doctor,
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
    daemon,
    watch,
):
    main.add_command(command)


@main.command()
def summary() -> None:
    """What is built: rows per table, and each variant's totals."""
    with warehouse_of(get_settings(), is_patient=True).open() as session:
        counts = row_counts(session)
        if "analytics_variant_user_daily" not in counts:
            raise click.ClickException(f"nothing is built yet: {HOW_TO_BUILD}")
        built = variants(session)
    tables = Table("table", *_right("rows"), title=f"Built in schema {BUILT_SCHEMA}", title_justify="left")
    for name, count in counts.items():
        tables.add_row(name, f"{count:,}")
    show(tables)
    days = [day for row in built for day in (row.first_day, row.last_day) if day]
    daily = Table(
        "variant",
        *_right("users", "impressions", "clicks", "purchases", "revenue"),
        title=f"analytics_variant_user_daily{f', {min(days)} to {max(days)}' if days else ''}, users with events",
        title_justify="left",
    )
    for row in built:
        numbers = (row.users, row.impressions, row.clicks, row.purchases, row.revenue)
        daily.add_row(escape(row.variant_id or "(none)"), *(f"{number:,}" for number in numbers))
    show(daily, fold=("variant",))


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]
