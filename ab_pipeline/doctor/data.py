"""The warehouse, the code that builds it, and what would bring it all back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ab_pipeline.doctor.finding import Finding, fail, ok, warn
from ab_pipeline.doctor.loading import start_loading
from ab_pipeline.doctor.setup import Setup
from ab_pipeline.health.backup import BackupState
from ab_pipeline.health.certificate import end_at, problem_of
from ab_pipeline.health.disk import Disk, existing
from ab_pipeline.maintenance.backup.catalog import backups
from ab_pipeline.maintenance.object_store import ObjectMissingError, open_store
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA
from ab_pipeline.readouts.pages import PROGRAMME
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import HOW_TO_BUILD, WarehouseError, WarehouseLockedError, tables_in
from ab_pipeline.warehouse.connect import warehouse_of

_CODE_SECONDS = 60
_CONNECT_SECONDS = 3
_BACK_UP = "`ab-pipeline backup` makes one; switch on the schedules nightly_backup and weekly_drill"


def warehouse(setup: Setup) -> Iterator[Finding]:
    """Whether it opens, and shows what we need to see."""
    quick = {"redshift_connect_timeout": _CONNECT_SECONDS, "redshift_retries": 0}
    settings = setup.right_settings.model_copy(update=quick)
    found = warehouse_of(settings)
    if settings.target == "local" and not settings.duckdb_path.exists():
        yield warn(f"{settings.duckdb_path} is not there yet", HOW_TO_BUILD)
        return
    try:
        with found.open() as session:
            missing = sorted(RAW_TABLES.keys() - tables_in(session, SCHEMA))
    except WarehouseLockedError:
        yield ok(f"{found.name} is in use")
        return
    except WarehouseError as error:
        yield fail(str(error), "until it opens, nothing is refreshed")
        return
    if missing:
        yield warn(f"schema {SCHEMA} lacks {', '.join(missing)}", HOW_TO_BUILD)
    elif blind := found.writes(RAW_TABLES.keys()).blind:
        yield warn(f"{blind}: rows of old days are noticed in the night", "grant role sys:monitor to the user")
    yield ok(f"{found.name} opens")


def code(setup: Setup) -> Iterator[Finding]:
    """Whether the definitions load, without a warning."""
    with setup.loading or start_loading(setup.home) as process:
        if setup.settings is None:
            process.kill()
            return
        try:
            _, said = process.communicate(timeout=_CODE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            yield fail(f"the definitions did not load in {_CODE_SECONDS} s", "`dagster definitions validate` says why")
            return
    lines = [line for line in said.splitlines() if line.strip()]
    if process.returncode:
        yield fail(
            f"the definitions do not load: {lines[-1] if lines else 'the process was killed'}", "mend that first"
        )
    elif warnings := [line for line in lines if "Warning: " in line]:
        yield warn(f"the definitions load with a warning: {warnings[0].rpartition('Warning: ')[2]}", "mend that")
    else:
        yield ok("the definitions load")


def backup(setup: Setup) -> Iterator[Finding]:
    """Whether there is one, verified, and somewhere else."""
    settings = setup.right_settings
    location = settings.backup_location
    state = BackupState.of(backups(open_store(location)))
    if state.newest_at is None and not setup.is_production:
        yield ok("no backup, on one's own machine")
        return
    if setup.is_production or setup.is_clocked:
        for problem in state.problems(location, setup.now):
            make = fail if state.newest_at is None else warn
            yield make(problem, _BACK_UP)
    if setup.is_production and _is_same_disk(settings, setup.home):
        yield warn(
            f"backups in {location} are on the disk of what they back up: they go with it",
            "set AB_PIPELINE_BACKUP_LOCATION to s3://bucket/prefix or to another disk",
        )
    yield ok(f"the newest backup is of {state.newest_at}")


def _is_same_disk(settings: Settings, home: Path) -> bool:
    folder = Path(settings.backup_location)
    if settings.backup_location.startswith("s3://") or not home.exists():
        return False
    return existing(folder).stat().st_dev == home.stat().st_dev


def disk(setup: Setup) -> Iterator[Finding]:
    """Whether there is room."""
    folders = {setup.home}
    if setup.settings and setup.settings.target == "local":
        folders.add(setup.settings.duckdb_path.parent)
    for folder in sorted(folders):
        if problem := Disk.of(folder).problem:
            yield fail(problem, "`ab-pipeline storage` says what grows, `ab-pipeline cleanup --apply` makes room")
    yield ok(f"{len(folders)} disks have room")


def pages(setup: Setup) -> Iterator[Finding]:
    """Whether those who decide have something to read."""
    settings = setup.right_settings
    location = settings.pages_location
    try:
        open_store(location).get_bytes(PROGRAMME)
    except ObjectMissingError:
        if setup.is_production:
            yield warn(
                f"{location} holds no page of an experiment", "`ab-pipeline report` writes them, and so does a refresh"
            )
        return
    yield ok(f"{location} holds the pages")


def certificate(setup: Setup) -> Iterator[Finding]:
    """Whether it is near its end."""
    url = setup.right_settings.dagster_url
    if urlsplit(url).scheme != "https":
        return
    try:
        end = end_at(url)
    except OSError as error:
        yield warn(f"{url} does not show its certificate: {error}", "is `ab-pipeline serve`, or its proxy, running?")
        return
    if problem := problem_of(end, url, setup.now):
        yield fail(problem, "renew it; `ab-pipeline serve` reads it when it starts")
    yield ok(f"the certificate ends at {end:%Y-%m-%d}")
