"""`ab-pipeline audit`: who did what."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ab_pipeline.maintenance.storage import dagster_home

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"]


@click.command()
@click.option("--since", type=click.DateTime(_FORMATS), metavar="TIME", help="Since a day, or a day and time, in UTC.")
@click.option("--user", help="Of one user, token or person at the command line.")
@click.option("--json", "is_json", is_flag=True, help="As a JSON array.")
def audit(since: dt.datetime | None, user: str | None, is_json: bool) -> None:
    """Who did what through `ab-pipeline serve` or at the command line, when, from where, and what came of it."""
    from ab_pipeline.door.audit import Audit
    from ab_pipeline.door.database import DoorDatabase

    deeds = list(Audit(DoorDatabase.beside(dagster_home())).deeds(since, user))
    if is_json:
        click.echo(json.dumps([asdict(deed) for deed in deeds], default=_plain, indent=2, ensure_ascii=False))
        return
    table = Table("at (UTC)", "who", "what", "result", title=f"Audit: {len(deeds):,} deeds", title_justify="left")
    for deed in deeds:
        assert deed.at
        who = f"{deed.user}{f' ({deed.role})' if deed.role else ''}\n{deed.way}, {deed.address}"
        what = f"{deed.action}\n{deed.about}".rstrip()
        table.add_row(f"{deed.at:%Y-%m-%d %H:%M:%S}", *map(Text, (who, what, deed.result)))
    Console(soft_wrap=True).print(table)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, dt.datetime) else str(value)
