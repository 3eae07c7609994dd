"""`ab-pipeline daemon`: Dagster's daemon, of which any number may be started."""

from __future__ import annotations

from pathlib import Path

import click

from ab_pipeline.paths import WORKSPACE
from ab_pipeline.settings import get_settings


@click.command()
@click.option(
    "-w",
    "--workspace",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=WORKSPACE,
    help="workspace.yaml; the project's without it.",
)
def daemon(workspace: Path) -> None:
    """Dagster's daemon: sensors, schedules, the queue. Start as many as you like: one leads, the next takes over.

    It ends with code 75 when it may no longer lead, or hangs: have a supervisor start it again.
    """
    from ab_pipeline.maintenance.storage import check_home, dagster_home
    from ab_pipeline.standby.daemon import run

    get_settings()
    home = dagster_home()
    check_home(home)
    run(home, workspace.absolute(), lambda line: click.echo(line, err=True))
