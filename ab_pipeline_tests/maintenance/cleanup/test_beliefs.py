"""What stays of a past in which everything may go: enough for whoever asks what was newest, at the cutoff or later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa
from dagster import AssetCheckKey, AssetKey, DagsterEventType, DagsterInstance, DagsterRunStatus
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ab_pipeline.maintenance.cleanup.beliefs import Beliefs, read_beliefs
from ab_pipeline_tests.maintenance.cleanup.history import instance_at

pytestmark = pytest.mark.slow

CUTOFF = datetime(2025, 6, 1, tzinfo=UTC)
KINDS = (
    DagsterEventType.ASSET_MATERIALIZATION.value,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
    DagsterEventType.ASSET_OBSERVATION.value,
)


@dataclass(frozen=True)
class Happened:
    """An event of an asset, or the execution of a check of it."""

    asset: str
    kind: str
    """Of an event its type, of a check its status."""
    partition: str | None
    minutes: int
    """After the cutoff."""
    is_told: bool
    """An event has a data version, a check the id of its event."""
    id: int = 0

    @property
    def at(self) -> datetime:
        return CUTOFF + timedelta(minutes=self.minutes)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    with instance_at(tmp_path_factory.mktemp("home")) as opened:
        yield opened


def pasts(kinds: Iterable[str]) -> st.SearchStrategy[list[Happened]]:
    """In the order in which they were written, which need not be that of their times."""
    happened = st.builds(
        Happened,
        asset=st.sampled_from("ab"),
        kind=st.sampled_from(sorted(kinds)),
        partition=st.sampled_from([None, "2025-01-01"]),
        minutes=st.integers(-2, 2),
        is_told=st.booleans(),
    )
    return (st.lists(happened, max_size=5) | st.lists(happened, min_size=20, max_size=40)).map(
        lambda past: [replace(each, id=number) for number, each in enumerate(past, start=1)]
    )


def newest(past: Iterable[Happened], before: datetime, *grouped_by: str) -> dict[tuple[object, ...], int]:
    """By group, the last that was written of what happened before a moment."""
    return {tuple(getattr(each, name) for name in grouped_by): each.id for each in past if each.at < before}


def moments(past: Iterable[Happened]) -> list[datetime]:
    """Whenever somebody may ask and another answer would be right."""
    return [CUTOFF, *(each.at + timedelta(seconds=1) for each in past if each.at >= CUTOFF)]


def staying(past: Iterable[Happened], ids: frozenset[int]) -> list[Happened]:
    """What is left when every run that ended before the cutoff goes."""
    return [each for each in past if each.at >= CUTOFF or each.id in ids]


@hypothesis_settings(deadline=None)
@given(pasts(KINDS))
def test_the_newest_event_of_each_kind_and_partition_stays_for_whoever_asks_from_the_cutoff_on(
    instance: DagsterInstance, past: list[Happened]
) -> None:
    stays = staying(past, _believed(instance, events=past).events)
    for moment in moments(past):
        group = ("asset", "kind", "partition")
        assert newest(stays, moment, *group) == newest(past, moment, *group)
        told, told_before = ([each for each in those if each.is_told] for those in (stays, past))
        assert newest(told, moment, *group) == newest(told_before, moment, *group)


@hypothesis_settings(deadline=None)
@given(pasts(["PLANNED", "SUCCEEDED", "FAILED"]))
def test_the_newest_execution_of_a_check_and_the_newest_that_is_complete_stay_just_so(
    instance: DagsterInstance, past: list[Happened]
) -> None:
    stays = staying(past, _believed(instance, checks=past).checks)
    for moment in moments(past):
        for asked in (past, [each for each in past if each.kind != "PLANNED"], [each for each in past if each.is_told]):
            there, before = ([each for each in those if each in asked] for those in (stays, past))
            assert newest(there, moment, "asset", "partition") == newest(before, moment, "asset", "partition")


@hypothesis_settings(deadline=None)
@given(pasts(KINDS))
def test_what_was_superseded_before_the_cutoff_goes(instance: DagsterInstance, past: list[Happened]) -> None:
    believed = _believed(instance, events=past).events
    for each in past:
        later = [
            other
            for other in past[each.id :]
            if (other.asset, other.kind, other.partition) == (each.asset, each.kind, each.partition)
        ]
        if any(other.is_told and other.at < CUTOFF for other in later):
            assert each.id not in believed


def test_of_runs_whose_check_has_no_result_only_those_that_failed_stay(home: Path) -> None:
    """The check of a partitioned asset is planned for the partition, and its result is of none."""
    with DagsterInstance.from_config(str(home)) as opened:
        failed, newest, first = opened.get_runs()
        assert failed.status == DagsterRunStatus.FAILURE
        assert read_beliefs(opened, CUTOFF).runs == {
            failed.run_id: "a partition's or check's last attempt, which failed",
            newest.run_id: "an asset's newest",
        }
        check = AssetCheckKey(AssetKey("daily"), "holds")
        with_the_run = _statuses(opened, check)
        opened.run_storage.delete_run(first.run_id)
        assert _statuses(opened, check) == with_the_run


def _statuses(instance: DagsterInstance, check: AssetCheckKey) -> list[str]:
    records = instance.event_log_storage.get_asset_check_execution_history(check, limit=99)
    return [asyncio.run(record.resolve_status(LoadingContextForTest(instance))).value for record in records]


def _believed(instance: DagsterInstance, events: Iterable[Happened] = (), checks: Iterable[Happened] = ()) -> Beliefs:
    """What is believed where just this has happened."""
    with cast("SqlEventLogStorage", instance.event_log_storage).index_transaction() as connection:
        for table in (SqlEventLogStorageTable, AssetEventTagsTable, AssetCheckExecutionsTable):
            connection.execute(sa.delete(table))
        for each in events:
            connection.execute(sa.insert(SqlEventLogStorageTable), _event(each))
            if each.is_told:
                tag = {"asset_key": each.asset, "key": DATA_VERSION_TAG, "value": "1", "event_id": each.id}
                connection.execute(sa.insert(AssetEventTagsTable), tag)
        for each in checks:
            connection.execute(sa.insert(AssetCheckExecutionsTable), _execution(each))
    return read_beliefs(instance, CUTOFF)


def _event(happened: Happened) -> dict[str, object]:
    return {
        "id": happened.id,
        "run_id": str(happened.id),
        "event": "{}",
        "dagster_event_type": happened.kind,
        "timestamp": happened.at.replace(tzinfo=None),
        "asset_key": happened.asset,
        "partition": happened.partition,
    }


def _execution(happened: Happened) -> dict[str, object]:
    return {
        "id": happened.id,
        "asset_key": happened.asset,
        "check_name": "holds",
        "partition": happened.partition,
        "run_id": str(happened.id),
        "execution_status": happened.kind,
        "evaluation_event_storage_id": happened.id if happened.is_told else None,
        "create_timestamp": happened.at.replace(tzinfo=None),
    }
