"""Text and tables in the terminal there is; all of them, unbroken, where it is a pipe."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_PIPE_WIDTH = 1000
_FOLDED_WIDTH = 20
verbose_option = click.option("-v", "--verbose", is_flag=True, help="Every column, also where the terminal is narrow.")


def console() -> Console:
    """Standard output. `plan:free` is a name and no emoji, and numbers have no colours."""
    if Console().is_terminal:
        return Console(emoji=False, highlight=False)
    return Console(width=_PIPE_WIDTH, soft_wrap=True, emoji=False, highlight=False)


def show(table: Table, *, fold: Sequence[str] = (), spare: Sequence[str] = (), verbose: bool = False) -> None:
    """Print a table so that it fits.

    Where it is too wide, the columns `fold` get several lines a cell; then those of `spare` are left out, the first one
    first, unless it is to be `verbose`; at last every column gets several lines.
    """
    out = console()
    for column in table.columns:
        column.overflow = "fold"
        is_folded = column.header in fold
        column.no_wrap = not is_folded
        if is_folded:
            column.min_width = min(_FOLDED_WIDTH, _width(out, column.header, *column.cells))
    left_out: list[str] = []
    for name in () if verbose else spare:
        if _fits(out, table):
            break
        table.columns = [column for column in table.columns if column.header != name]
        left_out.append(name)
    if not _fits(out, table):
        for column in table.columns:
            column.no_wrap, column.min_width = False, None
    out.print(table, soft_wrap=False)
    if left_out:
        out.print(f"Left out, as the terminal is narrow: {', '.join(left_out)}. -v shows them.")


def _fits(out: Console, table: Table) -> bool:
    return Measurement.get(out, out.options.update(max_width=_PIPE_WIDTH), table).minimum <= out.width


def _width(out: Console, *cells: object) -> int:
    return max(out.measure(cell).maximum for cell in cells)  # type: ignore[arg-type]
