"""The alerts file: what is appended stays, what is old can be forgotten."""

from __future__ import annotations

import fcntl
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest

from ab_pipeline.automation.alert import Outcome, Record
from ab_pipeline.automation.alert_file import AlertFile

NOW = datetime(2025, 2, 1, tzinfo=UTC)


def record(run_id: str, at: datetime = NOW) -> Record:
    return Record(at, run_id, "ERROR facts: boom", Outcome.SENT, 0, {"link": "http://x"})


def test_what_is_old_or_unreadable_is_forgotten_and_the_rest_stays(tmp_path: Path) -> None:
    file = AlertFile(tmp_path / "alerts.jsonl")
    assert file.forget(NOW) == 0
    assert not file.path.exists()
    old, young = record("old", NOW - timedelta(days=31)), record("young", NOW - timedelta(days=29))
    file.append(old)
    with file.path.open("a") as edited:
        edited.write("\nby hand")
    file.append(young)
    assert file.forget(NOW - timedelta(days=30)) == 2
    assert file.records() == [young]
    file.append(record("next"))
    assert file.records() == [young, record("next")]


def test_nothing_that_is_appended_meanwhile_is_lost(tmp_path: Path) -> None:
    file = AlertFile(tmp_path / "alerts.jsonl")

    def append(number: int) -> None:
        file.append(record(f"old {number}", NOW - timedelta(days=31)))
        file.append(record(f"young {number}"))

    with ThreadPoolExecutor(4) as threads:
        appended = [threads.submit(append, number) for number in range(40)]
        while not all(each.done() for each in appended):
            file.forget(NOW - timedelta(days=30))
    file.forget(NOW - timedelta(days=30))
    assert {found.run_id for found in file.records()} == {f"young {number}" for number in range(40)}


def test_a_line_that_is_written_while_another_waits_for_the_lock_is_a_line_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = AlertFile(tmp_path / "alerts.jsonl")
    lock = fcntl.flock

    def lock_after_another(opened: BinaryIO, operation: int) -> None:
        file.path.write_text(json.dumps({"of": "another process"}))
        lock(opened, operation)

    monkeypatch.setattr(fcntl, "flock", lock_after_another)
    file.append(record("this"))
    assert file.records() == [record("this")]
