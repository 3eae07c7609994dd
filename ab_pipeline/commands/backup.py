"""`ab-pipeline backup`, `backups`, `verify`, `restore`: they need no code location, and no Dagster that runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Column, Table

from ab_pipeline.commands.terminal import console, show, verbose_option
from ab_pipeline.maintenance.backup.catalog import backups as listed
from ab_pipeline.maintenance.backup.catalog import check_files, expire, find
from ab_pipeline.maintenance.backup.manifest import Manifest
from ab_pipeline.maintenance.object_store import ObjectStore, open_store
from ab_pipeline.maintenance.storage import (
    DagsterStorage,
    SqliteStorage,
    StorageError,
    dagster_home,
    dagster_storage,
    postgres_storage,
)
from ab_pipeline.settings import Settings, get_settings

if TYPE_CHECKING:
    from ab_pipeline.maintenance.backup.restore import Destination


@click.command()
def backup() -> None:
    """Back up what Dagster stores, and the configuration; then delete the backups whose time is over.

    Dagster may run meanwhile.
    """
    from ab_pipeline.maintenance.backup.make import back_up
    from ab_pipeline.maintenance.backup.retention import Kept

    settings, store = _opened()
    made = back_up(settings, dagster_home(), store, _say)
    _show(made)
    for left_out in made.left_out:
        _say(f"not in it: {left_out}")
    kept = Kept(settings.backup_keep_daily, settings.backup_keep_weekly, settings.backup_keep_monthly)
    for name in expire(store, kept):
        _say(f"deleted {name}, whose time is over")


@click.command()
@verbose_option
def backups(verbose: bool) -> None:
    """The backups there are, oldest first, and which of them were proved by restoring them."""
    _, store = _opened()
    table = Table(
        "backup", "of", *_right("runs", "partitions", "bytes"), "verified", title=store.location, title_justify="left"
    )
    for found in listed(store):
        if found.manifest is None:
            table.add_row(found.name, "damaged", "", "", "", found.problem)
            continue
        made = found.manifest
        runs = made.contents.tables["runs.runs" if made.kind == "sqlite" else "runs"].count
        partitions = sum(digest.count for digest in made.contents.partitions.values())
        verified = f"{found.verified_at:%Y-%m-%d %H:%M} UTC" if found.verified_at else "not yet"
        table.add_row(found.name, made.kind, f"{runs:,}", f"{partitions:,}", f"{made.size:,}", verified)
    if table.rows:
        show(table, fold=("verified",), spare=("partitions", "runs", "of"), verbose=verbose)
    else:
        _say(f"{store.location} holds no backup")


@click.command()
@click.argument("name", required=False)
@click.option(
    "--files-only", is_flag=True, help="Compare checksums, and do not restore. The backup is not verified so."
)
def verify(name: str | None, files_only: bool) -> None:
    """Restore the backup NAME, or the newest, into scratch, and compare it with what was backed up."""
    from ab_pipeline.maintenance.backup.drill import drill

    _, store = _opened()
    manifest = find(store, name)
    if files_only:
        check_files(store, manifest, _say)
        _say(f"backup {manifest.name}: every file is what was written")
        return
    result = drill(store, manifest, _say)
    if result.problems:
        raise click.ClickException(f"backup {manifest.name} is not good:\n" + "\n".join(result.problems))
    _say(f"backup {manifest.name} is verified: {result.runs:,} runs and {result.partitions:,} partitions restored")


@click.command()
@click.argument("name", required=False)
@click.option("--to", "to", metavar="DIR|URL", help="Another DAGSTER_HOME, or a PostgreSQL database.")
@click.option("--warehouse", is_flag=True, help="The DuckDB file too, if the backup holds it.")
@click.option("--dry-run", is_flag=True, help="Say what would be done.")
@click.option("--yes", is_flag=True, help="Do not ask before something is replaced.")
def restore(name: str | None, to: str | None, warehouse: bool, dry_run: bool, yes: bool) -> None:
    """Restore the backup NAME, or the newest, to where it came from or elsewhere. Stop Dagster first.

    What is replaced is kept beside it. An interrupted restore is finished by the next.
    """
    from ab_pipeline.maintenance.backup import restore as steps

    settings, store = _opened()
    destination = _destination(settings, to, warehouse=warehouse)
    if not dry_run and steps.go_on(destination):
        _say(f"finished the restore that was interrupted in {destination.home}")
        if name is None:
            return
    manifest = find(store, name)
    steps.check(manifest, destination)
    _show(manifest)
    replaces = steps.is_there(destination.storage)
    _say(f"to {destination.storage}" + (", whose state is kept beside it" if replaces else ""))
    for line in _present(destination.storage, manifest) if replaces else ():
        _say(line)
    if dry_run:
        return
    if replaces and not yes:
        click.confirm("Replace it?", abort=True)
    done = steps.restore(store, manifest, destination, settings.backup_key, _say)
    for kept in done.kept:
        _say(f"kept {kept}")
    for note in done.notes:
        _say(note)
    _say(f"restored {manifest.name}; its configuration is in {done.configuration}")


@click.command("backup-key")
def backup_key() -> None:
    """A new key for AB_PIPELINE_BACKUP_KEY. Whoever holds it can read the secrets in the backups."""
    from cryptography.fernet import Fernet

    click.echo(Fernet.generate_key().decode())


def _opened() -> tuple[Settings, ObjectStore]:
    settings = get_settings()
    return settings, open_store(settings.backup_location)


def _destination(settings: Settings, to: str | None, *, warehouse: bool) -> Destination:
    from ab_pipeline.maintenance.backup.restore import Destination

    if to is None:
        home = dagster_home()
        return Destination(dagster_storage(home), home, settings.duckdb_path if warehouse else None)
    if "://" in to:
        return Destination(postgres_storage(to), dagster_home())
    home = Path(to).expanduser().absolute()
    return Destination(SqliteStorage.below(home), home, home / "warehouse.duckdb" if warehouse else None)


def _present(storage: DagsterStorage, manifest: Manifest) -> list[str]:
    from ab_pipeline.maintenance.backup.present import present

    try:
        return present(storage, manifest.created_at).lines()
    except StorageError as error:
        return [f"what is there now cannot be compared: {error}"]


def _show(made: Manifest) -> None:
    rows = sum(digest.count for digest in made.contents.tables.values())
    _say(f"{made.name}: {made.kind}, {rows:,} rows, {made.size:,} bytes, by Dagster {made.versions['dagster']}")


def _say(line: str) -> None:
    console().print(escape(line))


def _right(*names: str) -> list[Column]:
    return [Column(name, justify="right") for name in names]
