"""Excel workbooks, written out as the CSV that the reader reads."""

from __future__ import annotations

import csv
import datetime as dt
import zipfile
from pathlib import Path

from ab_pipeline.files.errors import FileError

ENDINGS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")


def written_as_csv(path: Path, copy: Path) -> tuple[Path, str]:
    """The first sheet that has cells, row for line, and a sentence about the sheets that were left out.

    Whole numbers are written as such, dates as 2025-01-31, times as 2025-01-31 23:59:59.

    Raises:
        FileError: it is no workbook, or no sheet has a cell.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        workbook = CalamineWorkbook.from_path(path)
        sheets = [(name, workbook.get_sheet_by_name(name)) for name in workbook.sheet_names]
        filled = [(name, sheet) for name, sheet in sheets if sheet.height]
        if not filled:
            raise FileError([f"{path}: no sheet of the workbook has a cell"])
        with copy.open("w", encoding="utf-8", newline="") as written:
            writer = csv.writer(written, lineterminator="\n")
            for row in filled[0][1].to_python(skip_empty_area=False):
                # an empty line would be skipped, and rows would no longer be lines
                writer.writerow([_text(value) for value in row] or [""])
    except (CalamineError, zipfile.BadZipFile) as error:
        raise FileError([f"{path} cannot be read: {error}"]) from error
    others = ", ".join(name for name, _ in filled[1:])
    return copy, f"{path}: sheet {filled[0][0]!r} is read, not {others}." if others else ""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    return str(value)
