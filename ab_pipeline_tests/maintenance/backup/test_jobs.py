"""What the clock starts: a backup that materializes its asset, and a drill that is its check."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import AssetCheckKey, AssetKey, DagsterInstance, Definitions, in_process_executor

from ab_pipeline.maintenance.backup.catalog import backups
from ab_pipeline.maintenance.backup.jobs import BACKUP, backup_definitions
from ab_pipeline.maintenance.object_store import ObjectStore
from ab_pipeline.settings import Settings

pytestmark = pytest.mark.slow


@pytest.fixture
def definitions(settings: Settings) -> Definitions:
    made = backup_definitions(settings)
    return Definitions(
        assets=[BACKUP], asset_checks=[made.check], jobs=[*made.jobs], schedules=[*made.schedules],
        executor=in_process_executor,
    )  # fmt: skip


def _run(definitions: Definitions, name: str, home: Path) -> bool:
    with DagsterInstance.from_config(str(home)) as instance:
        return definitions.resolve_job_def(name).execute_in_process(instance=instance, raise_on_error=False).success


def test_a_backup_is_an_asset_and_its_drill_a_check(definitions: Definitions, home: Path, store: ObjectStore) -> None:
    assert _run(definitions, "backup", home)
    (made,) = backups(store)
    assert made.verified_at is None
    assert _run(definitions, "restore_drill", home)
    assert backups(store)[0].verified_at is not None
    with DagsterInstance.from_config(str(home)) as instance:
        event = instance.get_latest_materialization_event(AssetKey("dagster_backup"))
        assert event
        assert event.asset_materialization
        assert event.asset_materialization.metadata["location"].value == f"{store.location}/{made.name}"
        key = AssetCheckKey(AssetKey("dagster_backup"), "restores")
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
        assert record.status.value == "SUCCEEDED"


def test_a_backup_that_is_damaged_fails_the_check_and_is_not_verified(
    definitions: Definitions, home: Path, store: ObjectStore
) -> None:
    assert _run(definitions, "backup", home)
    archive = Path(store.location) / backups(store)[0].name / "dagster.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-1])
    assert _run(definitions, "restore_drill", home)
    assert backups(store)[0].verified_at is None
    with DagsterInstance.from_config(str(home)) as instance:
        key = AssetCheckKey(AssetKey("dagster_backup"), "restores")
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
        assert record.status.value == "FAILED"
        assert record.evaluation
        assert "is damaged: dagster.tar.gz" in (record.evaluation.description or "")


def test_without_a_backup_the_drill_fails(definitions: Definitions, home: Path) -> None:
    assert not _run(definitions, "restore_drill", home)
