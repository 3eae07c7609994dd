"""A day as an argument of a command."""

from __future__ import annotations

import datetime as dt

import click

_DATE = click.DateTime(["%Y-%m-%d"])


class Day(click.ParamType):
    """A date, as 2025-01-31. Click's own type says its format where a command's help says DAY."""

    name = "day"

    def convert(self, value: str | dt.datetime, param: click.Parameter | None, ctx: click.Context | None) -> dt.date:
        """The date; click's error if it is none."""
        return _DATE.convert(value, param, ctx).date()
