"""`ab-pipeline`: what a person needs beside Dagster's own commands, and what must work when it is down."""

from __future__ import annotations

import click

from ab_pipeline.settings import SettingsError
from ab_pipeline.warehouse.base import WarehouseError


class _PlainErrors(click.Group):
    """Expected errors end a command with their sentence and exit code 1, never a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (SettingsError, WarehouseError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_PlainErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ab-pipeline")
def main() -> None:
    """Trusted A/B-test tables on Dagster and dbt."""
