"""`ab-pipeline migrate-storage`: Dagster's metadata goes from SQLite to PostgreSQL."""

from __future__ import annotations

import click


@click.command("migrate-storage")
@click.argument("url")
def migrate_storage(url: str) -> None:
    """Copy all that Dagster stores in SQLite to the empty PostgreSQL database at URL, and compare. Stop Dagster first.

    Begin it again after an interruption: it goes on. The SQLite files are left as they are.
    """
    from ab_pipeline.maintenance.migration.migrate import migrate
    from ab_pipeline.maintenance.running import refuse_while_running
    from ab_pipeline.maintenance.storage import SqliteStorage, dagster_home, dagster_storage, postgres_storage

    home = dagster_home()
    source, target = dagster_storage(home), postgres_storage(url)
    if not isinstance(source, SqliteStorage):
        raise click.ClickException(f"{source} is not SQLite: nothing to migrate")
    refuse_while_running(source, home)
    refuse_while_running(target, home)
    migrate(source, target, click.echo)
    click.echo(
        f"Now put this into {home / 'dagster.yaml'}, without `event_log_storage:`, and start Dagster:\n"
        "storage:\n  postgres:\n    postgres_url:\n      env: DAGSTER_PG_URL\n"
        "with DAGSTER_PG_URL=postgresql+psycopg2://... in the environment."
    )
