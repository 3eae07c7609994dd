"""`ab-pipeline smoke`: does the whole pipeline work on the configured target?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.table import Column, Table

from ab_pipeline.commands.terminal import show
from ab_pipeline.settings import ENV_PREFIX, Settings, get_settings
from ab_pipeline.warehouse.connect import warehouse_of


@click.command()
def smoke() -> None:
    """Build a tiny pipeline in scratch schemas of the target, change it, compare, and drop it again.

    Raw rows and tables of yours are not touched. On target local it works in a scratch file.
    """
    settings = get_settings()
    table = Table(
        "step",
        "",
        "what was seen",
        Column("s", justify="right"),
        title=f"Smoke test on target {settings.target}",
        title_justify="left",
    )
    with TemporaryDirectory() as folder, _scratch(settings, Path(folder)) as environment:
        command = [sys.executable, "-m", "ab_pipeline.smoke", str(Path(folder, "dbt"))]
        process = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
    outcomes = [json.loads(line) for line in process.stdout.splitlines() if line.startswith("{")]
    for outcome in outcomes:
        mark, seen = ("ok", outcome["detail"]) if outcome["is_good"] else ("failed", "")
        table.add_row(outcome["step"], mark, seen, f"{outcome['seconds']:.1f}")
    show(table, fold=("step", "what was seen"))
    if process.returncode:
        failed = [f"{outcome['step']}: {outcome['detail']}" for outcome in outcomes if not outcome["is_good"]]
        raise click.ClickException(failed[0] if failed else process.stderr.strip() or "the smoke test was killed")


@contextmanager
def _scratch(settings: Settings, folder: Path) -> Iterator[dict[str, str]]:
    """The settings of a place of its own, which is gone afterwards, whatever happened."""
    name = f"ab_pipeline_smoke_{uuid.uuid4().hex[:8]}"
    raw_schema, built_schema = f"{name}_raw", f"{name}_built"
    environment = {
        f"{ENV_PREFIX}RAW_SCHEMA": raw_schema,
        f"{ENV_PREFIX}BUILT_SCHEMA": built_schema,
        # the smoke's rows are of January 2025
        f"{ENV_PREFIX}START_DATE": "2025-01-01",
    }
    if settings.target == "local":
        yield {**environment, f"{ENV_PREFIX}DUCKDB_PATH": str(folder / "smoke.duckdb")}
        return
    # before anything is made: a target that cannot be reached is one sentence
    with warehouse_of(settings).open():
        pass
    try:
        yield environment
    finally:
        with warehouse_of(settings).open(read_only=False) as session:
            for schema in (raw_schema, built_schema):
                session.run(f"drop schema if exists {schema} cascade")
