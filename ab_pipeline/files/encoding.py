"""Which encoding a text file is in."""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import IO

from ab_pipeline.files.compression import open_bytes
from ab_pipeline.files.errors import FileError

UTF_8 = "utf-8-sig"
"""With or without a byte order mark."""
_SAMPLE = 1 << 16
_CHUNK = 1 << 20
_LETTERS = 40
"""Bytes at the start of a file, which are names of columns and mostly Latin."""
_MARKS = ((codecs.BOM_UTF8, UTF_8), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def open_text(path: Path, encoding: str) -> IO[str]:
    """The file's text, its line ends as they are."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, newline="")


def encoding_at_the_start(path: Path) -> str:
    """By the file's first 64 kB: UTF-8 unless they say otherwise."""
    with open_bytes(path) as file:
        start = file.read(_SAMPLE)
    for mark, name in _MARKS:
        if start.startswith(mark):
            return name
    if b"\x00" in start[:_LETTERS]:
        # every second byte of the Latin letters of UTF-16 is zero, and hardly another
        even, odd = start[0:_LETTERS:2].count(0), start[1:_LETTERS:2].count(0)
        if max(even, odd) > 4 * (min(even, odd) + 1):
            return "utf-16-be" if even > odd else "utf-16-le"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return other_than_utf_8(path)
    return UTF_8


def other_than_utf_8(path: Path) -> str:
    """What a text that is not UTF-8 is taken to be: Windows' Latin, else ISO's.

    Raises:
        FileError: other lines are UTF-8 beyond ASCII, so that the line that is named is damaged rather than Latin.
    """
    wrong = line = 0
    has_utf_8 = False
    with open_bytes(path) as file:
        for line, content in enumerate(file, start=1):
            text = content.decode("utf-8", errors="surrogateescape")
            if text.isascii():
                continue
            has_utf_8 = has_utf_8 or any("\x80" <= one < "\ud800" or one > "\udfff" for one in text)
            if not wrong and any("\ud800" <= one <= "\udfff" for one in text):
                wrong = line
    if has_utf_8:
        raise FileError(
            [f"{path}, line {wrong}: it is not UTF-8, as other lines are: correct it, or say --encoding NAME"]
        )
    try:
        with open_text(path, "cp1252") as text:
            while text.read(_CHUNK):
                pass
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def written_as_utf_8(path: Path, encoding: str, copy: Path) -> Path:
    """A copy that every reader knows how to read; its lines are those of the file.

    Raises:
        FileError: the file is not in this encoding.
    """
    try:
        with open_text(path, encoding) as text, copy.open("w", encoding="utf-8", newline="") as written:
            while chunk := text.read(_CHUNK):
                written.write(chunk)
    except UnicodeError as error:
        raise FileError([f"{path} is not in {encoding}: say --encoding NAME"]) from error
    return copy
