"""PostgreSQL's wire protocol, as far as a proxy needs it: framed messages, and the few that it reads or writes."""

from __future__ import annotations

import struct
from asyncio import IncompleteReadError, StreamReader
from collections.abc import Mapping
from dataclasses import dataclass

SSL_REQUEST, CANCEL_REQUEST, PROTOCOL_3 = 80877103, 80877102, 196608


@dataclass(frozen=True)
class Message:
    """One message after the start-up: its type, and what follows its length."""

    kind: bytes
    body: bytes

    def encode(self) -> bytes:
        return self.kind + struct.pack("!i", len(self.body) + 4) + self.body


@dataclass(frozen=True)
class SqlError:
    """What ErrorResponse carries; the code is an SQLSTATE."""

    code: str
    message: str
    detail: str = ""
    severity: str = "ERROR"

    @classmethod
    def of_message(cls, body: bytes) -> SqlError:
        fields = {chr(part[0]): part[1:].decode() for part in body.split(b"\0") if part}
        return cls(fields["C"], fields["M"], fields.get("D", ""), fields["S"])

    def message_to_client(self) -> Message:
        fields = {"S": self.severity, "C": self.code, "M": self.message, "D": self.detail}
        body = b"".join(key.encode() + _text(value) for key, value in fields.items() if value)
        return Message(b"E", body + b"\0")


class RefusedError(Exception):
    """A statement that Redshift would refuse, or that is to fail."""

    def __init__(self, error: SqlError) -> None:
        super().__init__(error.message)
        self.error = error


async def read_startup(reader: StreamReader) -> tuple[int, bytes]:
    """The code of a start-up packet, and what follows it."""
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    body = await reader.readexactly(length - 4)
    return struct.unpack("!i", body[:4])[0], body[4:]


async def read_message(reader: StreamReader) -> Message | None:
    """The next message, or none when the other side has gone."""
    try:
        kind, length = struct.unpack("!ci", await reader.readexactly(5))
        return Message(kind, await reader.readexactly(length - 4))
    except (IncompleteReadError, ConnectionError):
        return None


def startup(parameters: Mapping[str, str]) -> bytes:
    body = b"".join(_text(name) + _text(value) for name, value in parameters.items()) + b"\0"
    return struct.pack("!ii", len(body) + 8, PROTOCOL_3) + body


def startup_parameters(body: bytes) -> dict[str, str]:
    texts = body.rstrip(b"\0").decode().split("\0")
    return dict(zip(texts[::2], texts[1::2], strict=True))


def parameter_status(name: str, value: str) -> Message:
    return Message(b"S", _text(name) + _text(value))


def split_texts(body: bytes, number: int) -> tuple[list[str], bytes]:
    """The first zero-terminated texts of a body, and the rest."""
    *texts, rest = body.split(b"\0", number)
    return [text.decode() for text in texts], rest


def join_texts(texts: list[str], rest: bytes = b"") -> bytes:
    return b"".join(map(_text, texts)) + rest


def _text(value: str) -> bytes:
    return value.encode() + b"\0"
