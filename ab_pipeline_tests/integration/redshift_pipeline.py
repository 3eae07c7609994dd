"""The pipeline on the stand-in for Redshift: its raw tables, and the code location that builds from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import Any

from dagster import (
    AssetSelection,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    define_asset_job,
    in_process_executor,
)

from ab_pipeline.assets.dbt import warehouse_assets
from ab_pipeline.assets.raw import raw_assets
from ab_pipeline.assets.translator import AbPipelineTranslator
from ab_pipeline.dbt.api import forget_warehouse
from ab_pipeline.dbt.project import load_project
from ab_pipeline.partitions import daily_partitions
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import Session
from ab_pipeline.warehouse.connect import warehouse_of


@contextmanager
def session_of(settings: Settings) -> Iterator[Session]:
    with warehouse_of(settings).open(read_only=False) as session:
        yield session


def create_raw_tables(session: Session, *days: date, users: int = 2) -> None:
    """Each user has one item a day, clicked and bought for 100."""
    session.run(f"create schema {SCHEMA}")
    for table in RAW_TABLES.values():
        session.run(table.create_statement())
    for user in range(1, users + 1):
        session.run("insert into raw_data.user_variant values (?, 'checkout_control', null)", [user])
        session.run("insert into raw_data.user_metadata values (?, '18-24', 'f', '2025-01-01')", [user])
        for day in days:
            session.run("insert into raw_data.user_event values (?, ?, 7, 1, 1, 100)", [user, _midnight(day)])


def add_one_cent(session: Session, day: date) -> None:
    session.run("insert into raw_data.user_event values (1, ?, 9, 0, 0, 1)", [_midnight(day)])


def revenue_by_day(session: Session) -> dict[date, int]:
    rows = session.rows("select datestamp, sum(revenue) from analytics.analytics_variant_user_daily group by 1")
    return {day: int(revenue) for day, revenue in rows}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())


class Location:
    """The code location as far as builds go, as definitions.py makes it."""

    def __init__(self, instance: DagsterInstance, settings: Settings) -> None:
        self.instance = instance
        project = load_project(settings)
        manifest: dict[str, Any] = json.loads(project.manifest_path.read_bytes())
        translator = AbPipelineTranslator(daily_partitions(settings))
        models = warehouse_assets(project, manifest, translator, {}, retries=settings.redshift_retries)
        self.definitions = Definitions(
            assets=[*raw_assets(manifest, translator), models],
            jobs=[define_asset_job("refresh", AssetSelection.all())],
            executor=in_process_executor,
        )

    def refresh(self, day: date, select: Sequence[str] = ()) -> ExecuteInProcessResult:
        """A run of the day, in this process: of the assets with these names, or of all."""
        job = self.definitions.resolve_job_def("refresh")
        keys = [key for key in job.asset_layer.executable_asset_keys if key.path[-1] in select]
        try:
            return job.execute_in_process(
                instance=self.instance,
                partition_key=day.isoformat(),
                asset_selection=keys or None,
                raise_on_error=False,
            )
        finally:
            forget_warehouse()
