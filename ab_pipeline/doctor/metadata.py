"""The database that Dagster keeps its metadata in, and dagster.yaml."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from dagster._core.instance.config import dagster_instance_config
from dagster_shared.error import DagsterError
from yaml import YAMLError

from ab_pipeline.doctor.finding import Finding, fail, ok, warn
from ab_pipeline.doctor.setup import DEPLOYED, Setup, in_environment
from ab_pipeline.maintenance.storage import PostgresStorage

_CLOCK_SECONDS, _CLOCK_FAILS_SECONDS = 2.0, 60.0
_ONE_HOST = frozenset({"DefaultRunLauncher", "WarmRunLauncher"})


def metadata(setup: Setup) -> Iterator[Finding]:
    """Whether it answers, is of this release, and is one that production can live on."""
    storage = setup.storage
    if setup.unusable:
        yield fail(
            setup.unusable,
            "start the server, or put the URL right in dagster.yaml"
            if isinstance(storage, PostgresStorage)
            else "`ab-pipeline restore` brings back the newest backup",
        )
        return
    if isinstance(storage, PostgresStorage):
        yield from _clock(setup)
        yield from _session_locks(setup)
        if not in_environment("DAGSTER_EVENT_BATCH_SIZE"):
            yield warn(
                "DAGSTER_EVENT_BATCH_SIZE is not set: each event of a run is a transaction, which does not scale",
                "set DAGSTER_EVENT_BATCH_SIZE=1000 for every process of Dagster",
            )
    elif setup.is_production:
        yield fail(
            f"{storage} in production: one writer at a time, on one disk, for all of Dagster's processes",
            "`ab-pipeline migrate-storage` copies it to PostgreSQL",
        )
    if setup.unusable is None:
        here, head = setup.instance.run_storage.alembic_version() or (None, None)
        if here != head:
            yield fail(
                f"the metadata is of revision {here}, and this Dagster's is {head}",
                "stop Dagster, `ab-pipeline backup`, then `dagster instance migrate`",
            )
        yield ok(f"{storage} answers, revision {here}")
    else:
        yield ok(f"{storage} is empty: Dagster has not run yet")


def _clock(setup: Setup) -> Iterator[Finding]:
    with setup.server() as cursor:
        before = time.time()
        cursor.execute("select extract(epoch from clock_timestamp())")
        there = float(cursor.fetchone()[0])
        after = time.time()
    apart = max(before - there, there - after, 0.0)
    if apart > _CLOCK_SECONDS:
        make = fail if apart > _CLOCK_FAILS_SECONDS else warn
        yield make(
            f"the clocks of this machine and of the database are {apart:.0f} s apart: what is late is judged wrongly",
            "have both follow a time server",
        )


def _session_locks(setup: Setup) -> Iterator[Finding]:
    """Through a pooler that hands out a server connection a transaction, a lock is nobody's."""
    with setup.server() as ours, setup.server() as another:
        first = _backend(ours)
        # it takes what ours has just let go
        another.execute("begin")
        _backend(another)
        if _backend(ours) != first:
            yield fail(
                "between this machine and PostgreSQL a pooler gives each transaction another connection:"
                " no lock of `ab-pipeline daemon`, backup or clean-up holds",
                "name the server itself in dagster.yaml, or set the pooler to pool sessions",
            )


def _backend(cursor: Any) -> int:
    cursor.execute("select pg_backend_pid()")
    return cursor.fetchone()[0]


def instance(setup: Setup) -> Iterator[Finding]:
    """What dagster.yaml should say, and does not."""
    path = setup.home / "dagster.yaml"
    if not setup.home.is_dir():
        return
    if not path.exists():
        yield fail(f"{path} is missing: two runs may write the warehouse at once", f"cp {DEPLOYED} {path}")
        return
    try:
        said = _read(setup)
    except (DagsterError, YAMLError) as error:
        yield fail(f"{path}: {' '.join(str(error).split())[:300]}", f"compare it with {DEPLOYED}")
        return
    is_postgres = isinstance(setup.storage, PostgresStorage)
    launcher = _at(said, "run_launcher", "class") or "DefaultRunLauncher"
    expected = [
        (
            _at(said, "concurrency", "pools", "default_limit") == 1,
            fail,
            "two runs may write the warehouse at once",
            "concurrency",
        ),
        (
            _at(said, "run_monitoring", "enabled") is True,
            fail,
            "a run whose process is lost stays STARTED for ever",
            "run_monitoring",
        ),
        (
            launcher != "DefaultRunLauncher",
            warn,
            "each run imports everything anew, and nobody asks after it",
            "run_launcher",
        ),
        (
            _at(said, "run_coordinator", "class") == "LaunchedByRunCoordinator",
            warn,
            "runs do not say who launched them",
            "run_coordinator",
        ),
        (_at(said, "telemetry", "enabled") is False, warn, "Dagster sends telemetry to its makers", "telemetry"),
        (
            _at(said, "retention", "sensor") is not None,
            warn,
            "ticks of sensors are kept for ever: 14 MB a day",
            "retention",
        ),
        (
            is_postgres or _at(said, "event_log_storage", "class") == "BatchingSqliteEventLogStorage",
            warn,
            "each event of a run is a transaction, which does not scale",
            "event_log_storage",
        ),
    ]
    for is_so, level, otherwise, block in expected:
        if not is_so:
            yield level(f"{path}: {otherwise}", f"copy the block `{block}` of {DEPLOYED}")
    if setup.settings and setup.settings.target == "local" and launcher not in _ONE_HOST:
        yield fail(
            f"{path}: {launcher} starts runs on other hosts, and target local is a file of this one",
            "set AB_PIPELINE_TARGET=redshift, or leave run_launcher to this host",
        )
    yield ok(f"{path} is as {DEPLOYED} has it")


def _read(setup: Setup) -> Mapping[str, Any]:
    # Dagster's own reading: what it does not know is an error
    said, _ = dagster_instance_config(str(setup.home))
    return said


def _at(said: Mapping[str, Any], *names: str) -> Any:
    found: Any = said
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
