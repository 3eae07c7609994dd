"""`ab-pipeline doctor`: what is not as it should be, and what to do about it."""

from __future__ import annotations

import json
import time

import click
from rich.markup import escape

from ab_pipeline.commands.terminal import console
from ab_pipeline.doctor.loading import start_loading
from ab_pipeline.maintenance.storage import dagster_home

_COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs: also what is as it should be.")
@click.option("-v", "--verbose", is_flag=True, help="Also what is as it should be.")
def doctor(as_json: bool, verbose: bool) -> None:
    """Look over the whole installation, running or not. Where all is well it says nothing.

    Each finding is a sentence, and what to do. Exit code 1 if one of them is a FAIL. Nothing is changed.
    """
    started = time.monotonic()
    loading = start_loading(dagster_home())
    # Dagster takes seconds to import, which no other command needs
    from ab_pipeline.doctor.examine import examine, the_setup
    from ab_pipeline.doctor.finding import Level

    found = examine(the_setup(loading))
    is_failing = any(one.finding.level == Level.FAIL for one in found)
    if as_json:
        findings = [
            {"area": one.area, "level": one.finding.level, "says": one.finding.says, "remedy": one.finding.remedy}
            for one in found
        ]
        click.echo(json.dumps({"failing": is_failing, "findings": findings}, indent=2))
    else:
        out = console()
        for one in found:
            level = one.finding.level
            if level == Level.OK and not verbose:
                continue
            out.print(f"[{_COLOURS[level]}]{level}[/] {one.area}: {escape(one.finding.says)}")
            if one.finding.remedy:
                out.print(f"     -> {escape(one.finding.remedy)}")
        if verbose:
            out.print(f"{len(found)} things looked at in {time.monotonic() - started:.1f} s")
    raise SystemExit(is_failing)
