"""Commands that change something leave a line in the audit of the door."""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from ab_pipeline.maintenance.storage import StorageError, dagster_home

_PASSWORD = re.compile(r"(?<=://)[^@/\s]*@")
Params = dict[str, Any]


def recorded(command: click.Command, applies: Callable[[Params], bool] = lambda _: True) -> click.Command:
    """The command, which is written down when it is run and again when it is over; a group's commands, each."""
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            if not name.startswith("list"):
                recorded(one)
        return command
    inner = command.callback
    assert inner

    @wraps(inner)
    def callback(**params: Any) -> object:
        if not applies(params):
            return inner(**params)
        finish = _begun(click.get_current_context(), params)
        try:
            result = inner(**params)
        except click.exceptions.Exit:
            finish("done")
            raise
        except BaseException as error:
            finish(str(error) or type(error).__name__)
            raise
        finish("done")
        return result

    command.callback = callback
    return command


def _begun(context: click.Context, params: Params) -> Callable[[str], None]:
    """What writes down how it ended. A command works, with a word about it, where nothing can be written down."""
    from ab_pipeline.door.audit import Audit, Deed
    from ab_pipeline.door.database import DoorDatabase

    home = dagster_home()
    if not home.is_dir():
        # no Dagster yet, and so nobody who could ask
        return lambda _: None
    about = {name: value for name, value in params.items() if value not in (None, False, ())}
    deed = Deed(
        user=_person(),
        role="",
        way="command",
        address=socket.gethostname(),
        action=" ".join(["ab-pipeline", *context.command_path.split()[1:]]),
        about=_without_password(json.dumps(about, default=str, ensure_ascii=False)),
    )
    try:
        audit = Audit(DoorDatabase.beside(home, pooled=False))
        written = audit.write(deed)
    except StorageError as error:
        click.echo(f"This is not in the audit: {error}", err=True)
        return lambda _: None

    def finish(result: str) -> None:
        try:
            audit.finish(written, _without_password(result))
        except StorageError as error:
            click.echo(f"How it ended is not in the audit: {error}", err=True)

    return finish


def _person() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        # a container's user often has a number only
        return f"uid {os.getuid()}"


def _without_password(text: str) -> str:
    return _PASSWORD.sub("...@", text)
