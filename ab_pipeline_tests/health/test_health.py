"""What `doctor` and `watch` judge alike."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ab_pipeline.health.backup import BackupState
from ab_pipeline.health.certificate import problem_of
from ab_pipeline.health.disk import Disk
from ab_pipeline.health.heartbeats import Beat, Daemons, silent

NOW = dt.datetime(2025, 3, 1, 12, tzinfo=dt.UTC)
GB = 10**9


@pytest.mark.parametrize(
    ("free", "total", "is_full"),
    [(int(0.9 * GB), 10 * GB, True), (2 * GB, 10 * GB, False), (10 * GB, 500 * GB, True), (100 * GB, 4000 * GB, False)],
)
def test_a_disk_is_nearly_full_by_share_and_by_size(free: int, total: int, is_full: bool) -> None:
    assert bool(Disk(Path("/data"), free, total).problem) == is_full


def test_a_backup_is_young_and_verified_or_a_problem() -> None:
    def problems(newest: int | None, verified: int | None) -> list[str]:
        ages = [None if hours is None else NOW - dt.timedelta(hours=hours) for hours in (newest, verified)]
        return BackupState(ages[0], ages[1], ()).problems("here", NOW)

    assert problems(20, 20) == []
    assert problems(20, 24 * 9) == []
    assert len(problems(30, 30)) == 1
    assert len(problems(30, 24 * 11)) == 2
    assert problems(None, None) == ["here holds no backup"]
    assert BackupState(NOW, NOW, ("x",)).problems("here", NOW) == ["damaged in here: x"]


@pytest.mark.parametrize(("days", "word"), [(30, None), (13, "ends"), (-1, "ended")])
def test_a_certificate_is_told_of_two_weeks_ahead(days: int, word: str | None) -> None:
    said = problem_of(NOW + dt.timedelta(days=days), "x", NOW)
    assert said is None if word is None else said and word in said


def test_the_schedulers_beat_is_old_in_a_daemon_that_is_well() -> None:
    beats = [Beat("SENSOR", "a", 1000.0), Beat("SCHEDULER", "a", 910.0)]
    assert silent(beats, ["SENSOR", "SCHEDULER"], 1000.0) == {}
    assert silent(beats, ["SENSOR", "SCHEDULER", "BACKFILL"], 1250.0) == {"BACKFILL": None, "SCHEDULER": 910.0}


@given(st.floats(0, 600), st.lists(st.sampled_from(["SENSOR", "SCHEDULER", "MONITORING"]), min_size=1))
def test_after_a_hand_over_there_is_one_daemon_and_never_two(at: float, kinds: list[str]) -> None:
    seen, now = Daemons(), 0.0
    while now < 1200:
        daemon = "old" if now < at else "new"
        seen.see([Beat(kind, daemon, now) for kind in kinds], now)
        assert seen.at_once(now) == []
        now += 30


def test_two_daemons_at_once_are_seen_within_minutes_and_forgotten_after() -> None:
    seen, now = Daemons(), 0.0
    while now < 300:
        # there is one newest beat a kind: whose it is changes from look to look
        seen.see([Beat("SENSOR", "ab"[int(now / 30) % 2], now)], now)
        now += 30
    assert seen.at_once(now) == ["a", "b"]
    while now < 600:
        seen.see([Beat("SENSOR", "a", now)], now)
        now += 30
    assert seen.at_once(now) == []
