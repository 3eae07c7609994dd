"""Where in a text file its rows are: read again by Python's csv, which counts lines as an editor does."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ab_pipeline.files.dialect import Dialect
from ab_pipeline.files.encoding import UTF_8, open_text
from ab_pipeline.files.errors import SHOWN_PROBLEMS
from ab_pipeline.files.scan import Scan, relation_of

_PLAIN = Dialect(",", '"', (), 0)


@dataclass(frozen=True)
class NumberedRows:
    """The rows of a file that have as many values as its header, each with the line at which it starts."""

    relation: str
    """Of the columns of the scan, and `line`."""
    problems: tuple[tuple[int, str], ...]
    """The first lines that are no rows, and what is wrong with each."""
    count: int
    """How many there are."""


def numbered_rows(scan: Scan, folder: Path) -> NumberedRows:
    """Number every row of a text file. The numbered copy goes into the folder."""
    assert scan.dialect, scan.text_path
    problems: list[tuple[int, str]] = []
    count, width = 0, len(scan.columns)
    copy = folder / f"{len(list(folder.iterdir()))}-numbered.csv"
    with open_text(scan.text_path or scan.path, UTF_8) as text, copy.open("w", encoding="utf-8", newline="") as written:
        writer = csv.writer(written, lineterminator="\n")
        for line, record in _records(text, scan.dialect):
            if isinstance(record, str):
                problem = record
            elif len(record) == width:
                writer.writerow([line, *record])
                continue
            elif not any(record):
                continue
            else:
                found = scan.dialect.delimiter.join(record)[:60]
                values = f"{len(record)} value{'' if len(record) == 1 else 's'}"
                problem = f"{values}, the header has {width}: {found!r}"
            count += 1
            if count <= SHOWN_PROBLEMS:
                problems.append((line, problem))
    columns = "c0 as line, " + ", ".join(f"c{n + 1} as c{n}" for n in range(width))
    # what stood in quotes is not known any more: a word for nothing is nothing
    relation = relation_of(copy, _PLAIN, width + 1, scan.reading, skip=0)
    return NumberedRows(f"(select {columns} from {relation})", tuple(problems), count)


def _records(text, dialect: Dialect) -> Iterator[tuple[int, list[str] | str]]:
    """Each record with its first line; a sentence in its place where the quotes do not fit, and then no more."""
    lines = iter(text)
    for _ in itertools.repeat(None, dialect.skipped_lines):
        next(lines, None)
    reader = dialect.records(lines)
    while True:
        line = dialect.skipped_lines + reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            why = "a quote that is opened here is never closed" if "end of data" in str(error) else str(error)
            yield line, f"the quotes do not fit: {why}"
            return
        yield line, record
