"""`ab-pipeline users`: who may log in with a password, and as what."""

from __future__ import annotations

import sys

import click
from rich.console import Console
from rich.table import Table

from ab_pipeline.door.accounts import SHORTEST_PASSWORD, AccountsFile
from ab_pipeline.door.roles import Role
from ab_pipeline.settings import get_settings

ROLE = click.Choice([str(role) for role in Role])


@click.group()
def users() -> None:
    """Who may log in to `ab-pipeline serve` with a password.

    A viewer reads. A launcher also starts and ends runs. An editor also switches schedules and sensors, reports events
    and reloads code. An admin also deletes runs and wipes assets.
    """


@users.command()
@click.argument("name")
@click.option("--role", type=ROLE, required=True, help="What they may do.")
def add(name: str, role: str) -> None:
    """Let NAME in. The password is asked for, or read from standard input."""
    password = _new_password(name)
    opened_accounts().change(lambda accounts: accounts.with_user(name, Role(role), password))
    click.echo(f"{name} may log in as {role}")


@users.command()
@click.argument("name")
def remove(name: str) -> None:
    """Let NAME in no more, and end what they are logged in to."""
    opened_accounts().change(lambda accounts: accounts.without_user(name))
    click.echo(f"{name} is removed, and their sessions are over")


@users.command("list")
def list_users() -> None:
    """Who may log in."""
    file = opened_accounts()
    found = file.accounts().users
    table = Table("user", "role", title=str(file.path), title_justify="left")
    for user in found:
        table.add_row(user.name, user.role)
    Console(soft_wrap=True).print(
        table if found else f"{file.path} names no user: `ab-pipeline users add NAME --role admin` adds one"
    )


@users.command()
@click.argument("name")
@click.argument("role", type=ROLE)
def role(name: str, role: str) -> None:
    """Give NAME another ROLE. They log in again."""
    opened_accounts().change(lambda accounts: accounts.with_role(name, Role(role)))
    click.echo(f"{name} is {role}, and logs in again")


@users.command()
@click.argument("name")
def password(name: str) -> None:
    """Give NAME another password. They log in again."""
    new = _new_password(name)
    opened_accounts().change(lambda accounts: accounts.with_password(name, new))
    click.echo(f"{name} has a new password, and logs in again")


def opened_accounts() -> AccountsFile:
    """The file that the settings name."""
    return AccountsFile(get_settings().accounts_path)


def _new_password(name: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    question = f"Password of {name}, {SHORTEST_PASSWORD} characters or more"
    return click.prompt(question, hide_input=True, confirmation_prompt=True)
