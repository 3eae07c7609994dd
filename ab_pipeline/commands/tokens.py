"""`ab-pipeline tokens`: how programs get in."""

from __future__ import annotations

import datetime as dt

import click
from rich.console import Console
from rich.table import Table

from ab_pipeline.commands.users import ROLE, opened_accounts
from ab_pipeline.door.accounts import Accounts
from ab_pipeline.door.roles import Role


@click.group()
def tokens() -> None:
    """How programs, such as CI, get in to `ab-pipeline serve`: as `Authorization: Bearer abp_...`."""


@tokens.command()
@click.argument("name")
@click.option("--role", type=ROLE, required=True, help="What the program may do.")
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, 366), help="It expires after so many.")
def create(name: str, role: str, days: int) -> None:
    """Make a token called NAME, and print it: this once, since only its hash is kept."""
    made = ""

    def with_token(accounts: Accounts) -> Accounts:
        nonlocal made
        accounts, made = accounts.with_token(name, Role(role), dt.datetime.now(dt.UTC), days)
        return accounts

    opened_accounts().change(with_token)
    click.echo(made)


@tokens.command("list")
def list_tokens() -> None:
    """The tokens there are, and when they expire."""
    file = opened_accounts()
    found = file.accounts().tokens
    table = Table("token", "role", "made", "expires (UTC)", title=str(file.path), title_justify="left")
    for token in found:
        is_over = dt.datetime.now(dt.UTC) >= token.expires_at
        expires = f"{token.expires_at:%Y-%m-%d %H:%M}{', is over' if is_over else ''}"
        table.add_row(token.name, token.role, f"{token.created_at:%Y-%m-%d}", expires)
    Console(soft_wrap=True).print(
        table if found else f"{file.path} names no token: `ab-pipeline tokens create NAME --role launcher` makes one"
    )


@tokens.command()
@click.argument("name")
def revoke(name: str) -> None:
    """End the token called NAME at once."""
    opened_accounts().change(lambda accounts: accounts.without_token(name))
    click.echo(f"{name} is revoked")
