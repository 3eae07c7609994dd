"""`ab-pipeline dev`: Dagster's UI and daemon on this machine, for one person."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from ab_pipeline.commands.dev_log import DevLog
from ab_pipeline.errors import UserError
from ab_pipeline.maintenance.storage import dagster_home
from ab_pipeline.paths import WORKSPACE
from ab_pipeline.settings import ENV_PREFIX, get_settings

_HOST = "127.0.0.1"
# dg's commands supersede Dagster's own, which nobody chose who types this
_NO_WARNING = "ignore:Function:FutureWarning"


class DevError(UserError):
    """It cannot start. The message says why and what to do."""


@click.command()
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Where to listen.")
def dev(port: int) -> None:
    """Dagster's UI and daemon on this machine, without a login; `ab-pipeline serve` has one."""
    from dagster._utils import is_port_in_use

    from ab_pipeline.refresh.home import made

    settings, home = get_settings(), dagster_home()
    if is_port_in_use(_HOST, port):
        raise DevError(
            f"port {port} of {_HOST} is taken: end what listens there, or choose another with --port or PORT="
        )
    made(home)
    url = f"http://{_HOST}:{port}"
    click.echo(f"Dagster:   {url} (in a few seconds; Ctrl+C ends it; no login: `ab-pipeline serve` has one)")
    click.echo(f"Warehouse: {settings.place}")
    click.echo(f"Registry:  {settings.registry}")
    click.echo(f"Home:      {home}")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        f"{ENV_PREFIX}DAGSTER_URL": url,
        "PYTHONWARNINGS": _NO_WARNING,
        "PYTHONUNBUFFERED": "1",
    }
    dagster = Path(sys.executable).with_name("dagster")
    command = [str(dagster), "dev", "-w", str(WORKSPACE), "--host", _HOST, "--port", str(port)]
    quiet = ["--log-level", "warning", "--code-server-log-level", "warning", "--log-format", "json"]
    # a .env in the folder that it starts in would win over the environment
    process = subprocess.Popen(
        [*command, *quiet], env=environment, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    raise SystemExit(_followed(process))


def _followed(process: subprocess.Popen[str]) -> int:
    """Its exit code, once it has ended; what it says meanwhile is shown."""
    log, is_ending = DevLog(), False
    assert process.stdout
    while True:
        try:
            for line in process.stdout:
                # how its processes end is no news
                if not is_ending and (shown := log.read(line)):
                    click.echo(shown)
            return 0 if is_ending else process.wait()
        except KeyboardInterrupt:
            # it has had the signal as well, and ends what it has started
            is_ending = True
