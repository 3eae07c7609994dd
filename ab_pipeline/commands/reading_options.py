"""The options that say how a file is to be read, the same for every command that reads one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from ab_pipeline.files.reading import Reading
from ab_pipeline.settings import get_settings


def reads_files(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as `reading`."""

    @wraps(command)
    def with_reading(
        *,
        encoding: str | None,
        delimiter: str | None,
        decimal: str | None,
        nulls: tuple[str, ...],
        columns: tuple[str, ...],
        header: str | None,
        **options: Any,
    ) -> Any:
        reading = Reading(
            encoding,
            "\t" if delimiter in ("tab", r"\t") else delimiter,
            decimal,
            nulls,
            True,
            dict(pair for text in columns for pair in _pairs(text)),
            tuple(name.strip() for name in header.split(",")) if header else (),
            get_settings().timezone,
        )
        return command(reading=reading, **options)

    for option in reversed(_OPTIONS):
        with_reading = option(with_reading)
    return with_reading


_OPTIONS = (
    click.option(
        "--columns",
        multiple=True,
        metavar="NAME=FILE'S,...",
        help="What columns are called in the file, such as user_id=visitor,datestamp=ts.",
    ),
    click.option("--header", metavar="NAME,...", help="The columns of a file that has no line of names."),
    click.option(
        "--null",
        "nulls",
        multiple=True,
        metavar="WORD",
        help=r"A word that stands for nothing, instead of NA, NULL, NaN and \N. Once or more.",
    ),
    click.option("--decimal", type=click.Choice([".", ","]), help="What stands before decimals; found out without."),
    click.option("--delimiter", metavar="CHARACTER", help="What stands between values; found out without."),
    click.option("--encoding", metavar="NAME", help="Such as latin-1; UTF-8, or found out, without."),
)


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = [pair.partition("=") for pair in text.split(",")]
    if not all(name.strip() and own.strip() for name, _, own in pairs):
        raise click.BadParameter(f"{text!r} is not like user_id=visitor,datestamp=ts", param_hint="--columns")
    return [(name.strip(), own.strip()) for name, _, own in pairs]
