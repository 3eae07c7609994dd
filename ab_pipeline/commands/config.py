"""`ab-pipeline config`: every setting, its value, and where it comes from."""

from __future__ import annotations

import click
from pydantic import SecretStr
from rich.markup import escape
from rich.table import Table

from ab_pipeline.commands.terminal import show
from ab_pipeline.settings import ENV_PREFIX, load_settings, sources

_HIDDEN = "(hidden)"


@click.command()
@click.option("--changed", is_flag=True, help="Only those that are set somewhere.")
def config(changed: bool) -> None:
    """Print every setting: its value, with secrets hidden, and where it comes from. .env.example explains each."""
    settings, places = load_settings(), sources()
    table = Table("setting", "value", "from", title="Settings", title_justify="left")
    for name, value in settings:
        variable = f"{ENV_PREFIX}{name.upper()}"
        is_set = variable in places
        if is_set or not changed:
            shown = "" if value is None else _HIDDEN if isinstance(value, SecretStr) else str(value)
            table.add_row(variable, escape(shown), places[variable][1] if is_set else "default")
    show(table, fold=("value", "from"))
