"""How a launcher and the template of its host talk: lines of JSON over a socket in DAGSTER_HOME."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

MODULE = "ab_pipeline.definitions"
LOG = "template.log"
LOCK = "template.lock"
DETACHED = "--detached"
_SOCKET = "template.sock"
# what the kernel takes as the path of a socket, on Linux and macOS
_LONGEST_PATH = 100


class TemplateError(Exception):
    """No template answered as it should. The message says what happened instead."""


class Channel:
    """One conversation. Each side says a line and waits for the other's."""

    def __init__(self, connection: socket.socket, patience: float) -> None:
        self._connection = connection
        connection.settimeout(patience)
        self._lines = connection.makefile("r", encoding="utf-8")

    def say(self, message: Mapping[str, Any]) -> None:
        """Send a message.

        Raises:
            TemplateError: the other side is gone.
        """
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise TemplateError(f"the other side does not listen: {error}") from error

    def hear(self) -> dict[str, Any]:
        """The next message.

        Raises:
            TemplateError: there is none within the patience, or it is no message.
        """
        try:
            line = self._lines.readline()
            return json.loads(line)
        except TimeoutError as error:
            raise TemplateError(f"no answer within {self._connection.gettimeout():.0f} seconds") from error
        except (OSError, ValueError) as error:
            raise TemplateError("it ended without an answer") from error

    def close(self) -> None:
        """Hang up: whoever waits on the other side hears that there is no more."""
        self._lines.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def listening(home: Path) -> Iterator[socket.socket]:
    """The socket of this home, for its owner only; one that was left behind is replaced."""
    (home / _SOCKET).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as server:
        mask = os.umask(0o077)
        try:
            with _short(home) as folder:
                server.bind(f"{folder}/{_SOCKET}")
        finally:
            os.umask(mask)
        server.listen(64)
        yield server


def call(home: Path, patience: float) -> Channel:
    """A conversation with the template of a home.

    Raises:
        TemplateError: there is none.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(patience)
        with _short(home) as folder:
            connection.connect(f"{folder}/{_SOCKET}")
    except OSError as error:
        connection.close()
        raise TemplateError("none runs on this host") from error
    return Channel(connection, patience)


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """The folder by a path that is short enough for a socket in it.

    Raises:
        OSError: there is none, or no such way.
    """
    if len(os.fsencode(folder / _SOCKET)) <= _LONGEST_PATH:
        yield str(folder)
    elif sys.platform == "linux":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        raise OSError(f"{folder} is too long a path for a socket")
