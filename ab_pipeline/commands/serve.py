"""`ab-pipeline serve`: Dagster's UI behind a login."""

from __future__ import annotations

from pathlib import Path

import click

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.settings import get_settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen. Elsewhere than here: with TLS.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Where to listen.")
@click.option("--tls-cert", type=_FILE, help="A certificate with its chain, as PEM.")
@click.option("--tls-key", type=_FILE, help="Its key.")
@click.option(
    "-w", "--workspace", "workspace", type=_FILE, multiple=True, help="workspace.yaml; the project's without it."
)
def serve(host: str, port: int, tls_cert: Path | None, tls_key: Path | None, workspace: tuple[Path, ...]) -> None:
    """Dagster's UI and the experiments' pages, behind a login with roles. Runs need `dagster-daemon` beside it.

    `ab-pipeline users add NAME --role admin` lets the first one in.
    """
    from ab_pipeline.door.serve import Listening
    from ab_pipeline.door.serve import serve as serve_door
    from ab_pipeline.maintenance.storage import check_home, dagster_home

    settings, home = get_settings(), dagster_home()
    check_home(home)
    click.echo(f"Open {settings.dagster_url} (listening on {host}:{port}); Ctrl+C ends it")
    serve_door(
        settings, home, workspace or (PROJECT_ROOT / "workspace.yaml",), Listening(host, port, tls_cert, tls_key)
    )
