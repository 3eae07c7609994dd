"""A file's bytes, whatever it is compressed with: told by its first bytes, not by its name."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import IO, cast

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
}
_ENDINGS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}


def compression_of(path: Path) -> str | None:
    """`gzip`, `zstd`, `bz2`, `xz`, or None.

    A file that is called so and is not so is opened as its name says, so that it is told to be damaged.
    """
    with path.open("rb") as file:
        start = file.read(6)
    found = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)
    return found or _ENDINGS.get(path.suffix.lower())


def open_bytes(path: Path) -> IO[bytes]:
    """The file's content, as it was before it was compressed."""
    match compression_of(path):
        case "gzip":
            return cast("IO[bytes]", gzip.open(path))
        case "zstd":
            from backports import zstd

            return cast("IO[bytes]", zstd.open(path))
        case "bz2":
            return cast("IO[bytes]", bz2.open(path))
        case "xz":
            return cast("IO[bytes]", lzma.open(path))
    return path.open("rb")


def damages() -> tuple[type[Exception], ...]:
    """What the readers of compressed files raise of a damaged one."""
    import zlib

    from backports import zstd

    return (OSError, EOFError, zlib.error, lzma.LZMAError, zstd.ZstdError)
