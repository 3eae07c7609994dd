"""What sessions are signed with."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ab_pipeline.door.accounts import AccountsError
from ab_pipeline.settings import Settings

FILE = "session.key"
_FEWEST_CHARACTERS = 32


def session_secret(settings: Settings, home: Path) -> str:
    """The setting, or what is in a file below DAGSTER_HOME, which is made where there is none.

    A lost file ends all sessions, and nothing else.

    Raises:
        AccountsError: others may read the file, or it is damaged.
    """
    if settings.session_secret:
        return settings.session_secret.get_secret_value()
    path = home / FILE
    try:
        _make(path)
        if path.stat().st_mode & 0o077:
            raise AccountsError(f"others may read {path}, and log in as anybody: remove it, and a new one is made")
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AccountsError(f"{path} cannot be used: {error}") from error
    if len(secret) < _FEWEST_CHARACTERS:
        raise AccountsError(f"{path} is damaged: remove it, and a new one is made; everybody logs in again")
    return secret


def _make(path: Path) -> None:
    if path.exists():
        return
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
    try:
        # two doors that start at once end up with one key
        os.link(partial, path)
    except FileExistsError:
        pass
    finally:
        partial.unlink()
