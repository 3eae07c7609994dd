"""`ab-pipeline watch`: a process that looks at all others, tells of what is down, and answers who asks."""

from __future__ import annotations

from pathlib import Path

import click

from ab_pipeline.settings import get_settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen. There is no login.")
@click.option("--port", default=3001, show_default=True, type=click.IntRange(1, 65535), help="Where to listen.")
@click.option("--web", "web_url", help="Where the web server is; AB_PIPELINE_DAGSTER_URL without it.")
@click.option("--tls-cert", "certificates", type=_FILE, multiple=True, help="A certificate whose end is watched.")
@click.option("-w", "--workspace", "workspace", type=_FILE, help="workspace.yaml; the project's without it.")
def watch(host: str, port: int, web_url: str | None, certificates: tuple[Path, ...], workspace: Path | None) -> None:
    """Look at every part of the installation, and tell of what is down for a minute, and when it is back.

    /readyz says how each is, /metrics is for Prometheus and Datadog, /healthz is about this process. It needs none of
    the others: start it beside the web server and the daemon, under a supervisor that starts it again.
    """
    from ab_pipeline.maintenance.storage import check_home, dagster_home
    from ab_pipeline.watch.run import Watching, run

    settings, home = get_settings(), dagster_home()
    check_home(home)
    click.echo(f"Watching {home}: http://{host}:{port}/readyz and /metrics; Ctrl+C ends it")
    run(settings, home, Watching(host, port, web_url, certificates, workspace))
