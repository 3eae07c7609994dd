"""How the values of a text file are told apart, found in its first lines."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ab_pipeline.files.encoding import open_text
from ab_pipeline.files.reading import Reading

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE = 1 << 16  # characters; bounds what a binary file without line breaks can cost
_RECORDS = 100
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)
_ESCAPED = re.compile(r"\\[|\\\n\r]")

csv.field_size_limit(sys.maxsize >> 33)


@dataclass(frozen=True)
class Dialect:
    """Delimiter and escape of a file, its columns, and the lines before its first row."""

    delimiter: str
    escape: str
    """A quote within quotes is written twice, or a backslash stands before it, as in Redshift's UNLOAD with ESCAPE."""
    header: tuple[str, ...]
    skipped_lines: int
    """Lines that no row starts in: of names, and Excel's `sep=;`."""

    def records(self, text: Iterable[str]) -> Any:
        """A reader of every record, the header included; strict, so that what is no CSV is an error."""
        return _reader(text, self.delimiter, self.escape)


def find_dialect(path: Path, encoding: str, reading: Reading) -> Dialect:
    """By the first hundred records.

    The delimiter is that which gives most of them as many values as the first has.
    """
    with open_text(path, encoding) as text:
        try:
            sample = text.read(_SAMPLE)
        except UnicodeError:
            sample = ""
    separator = _SEPARATOR_LINE.match(sample)
    skipped = 1 if separator else 0
    body = sample[separator.end() :] if separator else sample
    said = reading.delimiter or (separator.group(1) if separator else None)
    delimiter = said or max(DELIMITERS, key=lambda one: _fitness(body, one))
    escape = "\\" if delimiter == "|" and _ESCAPED.search(body) else '"'
    if reading.header:
        return Dialect(delimiter, escape, reading.header, skipped)
    lines = io.StringIO(body, newline="")
    reader = _reader(lines, delimiter, escape, strict=False)
    header = next((record for record in reader if any(map(str.strip, record))), [])
    return Dialect(delimiter, escape, tuple(name.strip() for name in header), skipped + reader.line_num)


def _fitness(sample: str, delimiter: str) -> tuple[bool, bool, int]:
    records = [
        one for one in islice(_reader(io.StringIO(sample, newline=""), delimiter, '"', strict=False), _RECORDS) if one
    ]
    if len(sample) == _SAMPLE:
        # the last one may be cut
        records = records[:-1]
    if not records or len(records[0]) < 2:
        return False, False, 0
    width = len(records[0])
    agreeing = sum(len(record) == width for record in records[1:])
    return True, 2 * agreeing >= len(records) - 1, width


def _reader(text: Iterable[str], delimiter: str, escape: str, *, strict: bool = True) -> Any:
    if escape == "\\":
        return csv.reader(text, delimiter=delimiter, escapechar="\\", strict=strict)
    return csv.reader(text, delimiter=delimiter, strict=strict)
