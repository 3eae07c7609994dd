"""Ticks that request nothing: why, and how the next ones recover. On a real instance and a DuckDB file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta

import pytest

from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import WarehouseError
from ab_pipeline_tests.automation.two_days import EVENT, JAN, reason
from ab_pipeline_tests.daemon import Daemon, days
from ab_pipeline_tests.dbt_warehouse import DuckDBFile


@contextmanager
def locked(warehouse: DuckDBFile) -> Iterator[None]:
    hold = f"import duckdb; c = duckdb.connect({str(warehouse.path)!r}); print('open', flush=True); input()"
    command = [sys.executable, "-c", hold]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        yield
        holder.kill()


# Nothing to do


def test_without_a_write_the_file_is_not_opened(built: Daemon, warehouse: DuckDBFile) -> None:
    with locked(warehouse):
        said = reason(built)
    assert said.startswith("compared: 2 days; what is built is what the raw tables say; looked at ")
    assert said.endswith("; nothing was written since")


def test_a_day_that_was_in_the_future_is_requested_when_it_comes_with_nothing_written(
    built: Daemon, warehouse: DuckDBFile
) -> None:
    tomorrow = built.now.date() + timedelta(days=1)
    warehouse.execute(EVENT, [tomorrow])
    assert f"{tomorrow} changed but is no partition" in reason(built)
    assert built.tick() == []
    built.now += timedelta(days=1)
    assert days(built.tick()) == [tomorrow]


def test_another_time_zone_makes_other_days_reachable(built: Daemon, warehouse: DuckDBFile) -> None:
    built.now = datetime(2025, 3, 1, 23, tzinfo=UTC)
    warehouse.execute(EVENT, [date(2025, 3, 2)])
    assert built.tick() == []
    east = Daemon(Settings(timezone="Asia/Tokyo"), built.instance, built.now, built.cursor)
    assert days(east.tick()) == [date(2025, 3, 2)]


# Bad input: the tick fails with the reason, or is skipped where somebody is busy, and the next one recovers


def cannot_see(daemon: Daemon) -> str:
    """Why the tick fails."""
    with pytest.raises(WarehouseError) as raised:
        daemon.evaluate()
    return str(raised.value)


def test_who_holds_the_file_for_ten_minutes_keeps_us_from_seeing_it(built: Daemon, warehouse: DuckDBFile) -> None:
    warehouse.execute(EVENT, [JAN[1]])
    with locked(warehouse):
        until = f"it is a failure at {built.now + timedelta(minutes=10):%Y-%m-%d %H:%M:%S} UTC"
        assert built.tick() == []
        built.now += timedelta(minutes=9)
        assert until in reason(built)
        built.tick()
        built.now += timedelta(minutes=1)
        assert "is in use by another process" in cannot_see(built)
    assert days(built.tick()) == [JAN[1]]
    assert 'busy_since":null' in str(built.cursor)


def test_a_locked_file_is_named_and_its_change_found_afterwards(built: Daemon, warehouse: DuckDBFile) -> None:
    warehouse.execute(EVENT, [JAN[1]])
    with locked(warehouse):
        assert reason(built).startswith(f"busy: {warehouse.path} is in use by another process")
        built.tick()
    assert days(built.tick()) == [JAN[1]]


def test_a_missing_file_and_a_damaged_one_are_named(daemon: Daemon, warehouse: DuckDBFile) -> None:
    kept = warehouse.path.read_bytes()
    warehouse.path.unlink()
    assert "does not exist yet" in cannot_see(daemon)
    warehouse.path.write_text("not a database" * 1000)
    assert "cannot be opened as a DuckDB file" in cannot_see(daemon)
    warehouse.path.write_bytes(kept)
    warehouse.execute(EVENT, [JAN[0]])
    assert days(daemon.tick()) == [JAN[0]]


@pytest.mark.parametrize(
    ("breaking", "mending", "missing"),
    [
        ("rename to gone", "alter table raw_data.gone rename to user_event", "raw_data.user_event"),
        ("drop column item_id", "add column item_id integer", "raw_data.user_event.item_id"),
    ],
)
def test_a_missing_table_or_column_is_named(
    built: Daemon, warehouse: DuckDBFile, breaking: str, mending: str, missing: str
) -> None:
    warehouse.execute(f"alter table raw_data.user_event {breaking}")
    assert f"missing in {warehouse.path}: {missing}." in cannot_see(built)
    warehouse.execute(mending if mending.startswith("alter") else f"alter table raw_data.user_event {mending}")
    warehouse.execute(
        EVENT.replace(" values", " (user_id, datestamp, item_id, clicked, purchased, paidamount) values"), [JAN[1]]
    )
    assert JAN[1] in days(built.tick())


def test_a_column_of_another_type_is_no_crash(built: Daemon, warehouse: DuckDBFile) -> None:
    warehouse.execute("alter table raw_data.user_event alter datestamp type date")
    built.evaluate()
    warehouse.execute("alter table raw_data.user_event alter datestamp type varchar")
    with suppress(WarehouseError):
        built.evaluate()
