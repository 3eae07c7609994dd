"""Taking the inventory: what there is of everything that grows, and what is known of each run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from dagster import DagsterInstance
from dagster._core.storage.dagster_run import RunRecord

from ab_pipeline.maintenance.cleanup.beliefs import Beliefs
from ab_pipeline.maintenance.cleanup.engine import Engine
from ab_pipeline.maintenance.cleanup.folders import RunFolders, Tree, logs_in_s3
from ab_pipeline.maintenance.cleanup.inventory import GROWTH_DAYS, Inventory, Place, RunFacts, Store
from ab_pipeline.maintenance.cleanup.tables import DagsterTables
from ab_pipeline.maintenance.object_store import StoreError, open_store
from ab_pipeline.paths import PROJECT_DIR
from ab_pipeline.settings import Settings


@dataclass(frozen=True)
class Places:
    """Folders and files that grow beside Dagster's storage."""

    alerts: Path
    reports: Path | None
    """None where pages are in S3: then they are one of the others."""
    dbt_target: Path
    dbt_in_use: Path
    """The folder below the target that dbt works in."""
    dbt_logs: Path
    others: dict[str, str]
    """What is shown, and kept small elsewhere: folders or s3:// URLs, by name."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Where the settings say."""
        in_s3 = {"reports": settings.pages_location} if settings.pages_location.startswith("s3://") else {}
        return cls(
            alerts=settings.alerts_path,
            reports=None if in_s3 else Path(settings.pages_location),
            dbt_target=PROJECT_DIR / "target",
            dbt_in_use=PROJECT_DIR / "target" / f"{settings.target}-{settings.database}",
            dbt_logs=PROJECT_DIR / "logs",
            others={"backups": settings.backup_location, "archive": settings.archive_location, **in_s3},
        )

    def stores(self, since: datetime) -> Iterator[Store]:
        """Each as a thing that grows."""
        named = {
            "alerts": self.alerts,
            **({"reports": self.reports} if self.reports else {}),
            "dbt target": self.dbt_target,
            "dbt logs": self.dbt_logs,
        }
        for name, path in named.items():
            yield Tree.of(path, since).store(name)
        for name, location in self.others.items():
            yield replace(_store_at(name, location, since), is_cleaned=False)


def _store_at(name: str, location: str, since: datetime) -> Store:
    """What is in a folder or in S3. That a bucket cannot be read keeps nobody from cleaning up."""
    if "://" not in location:
        return Tree.of(Path(location), since).store(name)
    try:
        objects = open_store(location).list()
    except StoreError as error:
        return Store(name, Place.S3, 0, 0, problem=str(error))
    return Tree.of_sizes((found.size, found.modified_at >= since) for found in objects).store(name, Place.S3)


@dataclass(frozen=True)
class Dagster:
    """One instance, and the ways into its storage."""

    instance: DagsterInstance
    tables: DagsterTables
    engine: Engine
    folders: RunFolders


def take_inventory(dagster: Dagster, places: Places, beliefs: Beliefs, at: datetime) -> Inventory:
    """Everything that grows and every run."""
    since = at - timedelta(days=GROWTH_DAYS)
    shards, folders = dagster.engine.shards(since), dagster.folders.trees(since)
    tables = list(dagster.tables.stores(dagster.engine.table_bytes(), dagster.engine.place, since))
    stores = [*tables, sum(folders.values(), Tree()).store("run folders")]
    if shards:
        stores.append(sum(shards.values(), Tree()).store("run databases"))
    if (in_s3 := logs_in_s3(dagster.instance, since)) is not None:
        stores.append(in_s3.store("printed lines", Place.S3))
    size_of_row = _bytes_a_row(tables)
    rows = dagster.tables.rows_by_run()
    files = Counter({run_id: tree.bytes for run_id, tree in folders.items()})
    files.update({run_id: tree.bytes for run_id, tree in shards.items()})
    runs = [_facts(record, rows, files, size_of_row) for record in dagster.instance.get_run_records()]
    return Inventory(at, (*stores, *places.stores(since)), tuple(runs), beliefs.runs)


def _bytes_a_row(stores: list[Store]) -> float:
    events = [store for store in stores if store.name in ("events", "check executions")]
    return sum(store.bytes for store in events) / max(1, sum(store.rows for store in events))


def _facts(record: RunRecord, rows: Counter[str], files: Counter[str], size_of_row: float) -> RunFacts:
    run = record.dagster_run
    ended = record.end_time or record.update_timestamp.replace(tzinfo=UTC).timestamp()
    return RunFacts(
        run_id=run.run_id,
        job=run.job_name,
        status=run.status.value,
        ended_at=datetime.fromtimestamp(ended, UTC) if run.is_finished else None,
        rows=rows[run.run_id],
        bytes=round(rows[run.run_id] * size_of_row) + files[run.run_id],
        parents=tuple(filter(None, (run.parent_run_id, run.root_run_id))),
    )
