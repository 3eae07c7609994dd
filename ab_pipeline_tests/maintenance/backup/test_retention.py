"""What stays: the newest of so many days, weeks and months; the newest of all; the newest that is proved."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from ab_pipeline.maintenance.backup.retention import Age, Kept, to_delete


def _ages(*days: str, verified: str = "") -> list[Age]:
    return [Age(day, dt.datetime.fromisoformat(f"{day}T05:00:00+00:00"), day == verified) for day in days]


def test_the_newest_of_each_day_week_and_month_stays() -> None:
    days = [dt.date(2025, 1, 1) + dt.timedelta(days=number) for number in range(120)]
    backups = _ages(*map(str, days))
    deleted = to_delete(backups, Kept(daily=3, weekly=2, monthly=3))
    # 2025-04-30, a Wednesday, is the newest
    assert {str(day) for day in days} - set(deleted) == {
        "2025-04-30", "2025-04-29", "2025-04-28",
        "2025-04-27",
        "2025-03-31", "2025-02-28",
    }  # fmt: skip


def test_two_backups_of_a_day_count_as_one_day() -> None:
    morning, evening = (
        Age(name, dt.datetime(2025, 1, 2, hour, tzinfo=dt.UTC), False) for name, hour in (("am", 5), ("pm", 17))
    )
    assert to_delete([morning, evening, *_ages("2025-01-01")], Kept(2, 0, 0)) == ["am"]


def test_the_only_verified_backup_outlives_every_period() -> None:
    backups = _ages("2023-01-01", "2025-01-01", "2025-01-02", verified="2023-01-01")
    assert to_delete(backups, Kept(1, 0, 0)) == ["2025-01-01"]


NEW_YEAR = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_BACKUPS = st.lists(
    st.builds(
        Age,
        name=st.uuids().map(str),
        created_at=st.integers(0, 400 * 24).map(lambda hours: NEW_YEAR + dt.timedelta(hours=hours)),
        is_verified=st.booleans(),
    ),
    unique_by=lambda backup: backup.name,
)


@given(_BACKUPS, st.builds(Kept, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)))
def test_the_newest_and_the_newest_verified_always_stay_and_nothing_goes_at_a_second_look(
    backups: list[Age], kept: Kept
) -> None:
    deleted = set(to_delete(backups, kept))
    newest_first = sorted(backups, key=lambda backup: (backup.created_at, backup.name), reverse=True)
    verified = [backup for backup in newest_first if backup.is_verified]
    assert not deleted & {backup.name for backup in (newest_first[:1] + verified[:1])}
    assert to_delete([backup for backup in backups if backup.name not in deleted], kept) == []
