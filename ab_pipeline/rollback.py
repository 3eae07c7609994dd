"""What the newest change of each day of the daily table was, and the way back to the build before it.

`dbt_project/macros/change_log.sql` writes both tables that are read here. A rollback is a change as well: it turns the
day's entries round, so that the log always leads from the rows that were there before to those that are there now.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from ab_pipeline.errors import UserError
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Row, Session, tables_in, transaction

_DAILY = f"{BUILT_SCHEMA}.analytics_variant_user_daily"
_CHANGES = f"{BUILT_SCHEMA}.analytics_variant_user_daily_changes"
_ROLLED_BACK = f"{BUILT_SCHEMA}.rolled_back_day"
_BUILT_DAY = f"{BUILT_SCHEMA}.built_day"
_DAYS = "datestamp between ? and ?"


class RollbackError(UserError):
    """There is nothing to show or to roll back. The message says why."""


@dataclass(frozen=True)
class Totals:
    """Sums over the rows of one day. A user is counted once, and shown in each of their variants."""

    users: int = 0
    impressions: int = 0
    clicks: int = 0
    purchases: int = 0
    revenue: int = 0


@dataclass(frozen=True)
class Change:
    """Rows of one day that a build, or the rollback of it, changed. A changed row has the same variant and user."""

    build_id: str
    built_at: datetime
    added: int
    removed: int
    changed: int


@dataclass(frozen=True)
class DayDiff:
    """A day before and after its newest change."""

    day: date
    change: Change | None
    rolled_back_at: datetime | None
    before: Totals
    after: Totals

    @property
    def can_be_rolled_back(self) -> bool:
        """Whether the build before the newest is known, and not there already."""
        return self.change is not None and self.rolled_back_at is None


def diff(session: Session, first: date, last: date) -> tuple[DayDiff, ...]:
    """Each day of [first, last] that is built or was, in order.

    Raises:
        RollbackError: there is no such day, or no table.
    """
    if last < first:
        raise RollbackError(f"the last day, {last}, is before the first, {first}")
    _require_tables(session)
    changes = _changes(session, first, last)
    rolled_back = dict(
        session.rows(f"select datestamp, rolled_back_at from {_ROLLED_BACK} where {_DAYS}", [first, last])
    )
    built = {day for (day,) in session.rows(f"select datestamp from {_BUILT_DAY} where {_DAYS}", [first, last])}
    after = _totals(session, f"select * from {_DAILY} where {_DAYS}", [first, last])
    days = sorted(built | changes.keys() | rolled_back.keys() | after.keys())
    if not days:
        raise RollbackError(f"no day from {first} to {last} is built" if first < last else f"{first} is not built")
    columns = ", ".join(_columns(session))
    rows_before = f"""
        (
            select {columns} from {_DAILY} where {_DAYS}
            except
            select {columns} from {_CHANGES} where {_DAYS} and change = 'added'
        )
        union all
        select {columns} from {_CHANGES} where {_DAYS} and change = 'removed'
    """
    before = _totals(session, rows_before, [first, last] * 3)
    return tuple(
        DayDiff(day, changes.get(day), rolled_back.get(day), before.get(day, Totals()), after.get(day, Totals()))
        for day in days
    )


def changed_rows(session: Session, first: date, last: date, limit: int) -> tuple[list[str], list[Row]]:
    """The first changed rows, and their columns: `change`, then those of the daily table."""
    columns = ["change", *_columns(session)]
    rows = session.rows(
        f"select {', '.join(columns)} from {_CHANGES} where {_DAYS}"
        f" order by datestamp, variant_id, user_id, change desc limit {limit}",
        [first, last],
    )
    return columns, rows


def roll_back(session: Session, shown: Sequence[DayDiff]) -> tuple[date, ...]:
    """Put back the build before the newest of the days that were shown, where it is known: all of them, or nothing.

    The state of the build stays, so that no sensor sees a difference: the days keep the older build until their raw
    events change or somebody refreshes them.

    Raises:
        RollbackError: no day can be rolled back, or one is not as it was shown.
    """
    days = tuple(day.day for day in shown if day.can_be_rolled_back)
    if not days:
        raise RollbackError(_why_nothing(shown))
    with transaction(session):
        now_there = {day.day: day for day in diff(session, days[0], days[-1])}
        if any(now_there.get(day.day) != day for day in shown if day.can_be_rolled_back):
            raise RollbackError("the days were built again meanwhile: look at the new difference first")
        _put_back(session, days)
    return days


def _put_back(session: Session, days: Collection[date]) -> None:
    columns = ", ".join(_columns(session))
    of_days = f"datestamp in ({', '.join('?' * len(days))})"
    # by key, which is unique; a variant may be null, and a null equals nothing
    session.run(
        f"""
        delete from {_DAILY} using {_CHANGES}
        where analytics_variant_user_daily_changes.change = 'added'
            and analytics_variant_user_daily_changes.{of_days}
            and analytics_variant_user_daily_changes.datestamp = analytics_variant_user_daily.datestamp
            and analytics_variant_user_daily_changes.user_id = analytics_variant_user_daily.user_id
            and (
                analytics_variant_user_daily_changes.variant_id = analytics_variant_user_daily.variant_id
                or (
                    analytics_variant_user_daily_changes.variant_id is null
                    and analytics_variant_user_daily.variant_id is null
                )
            )
        """,
        list(days),
    )
    session.run(
        f"insert into {_DAILY} ({columns}) select {columns} from {_CHANGES} where change = 'removed' and {of_days}",
        list(days),
    )
    session.run(
        f"insert into {_ROLLED_BACK} (datestamp, build_id, rolled_back_at)"
        f" select distinct datestamp, build_id, cast(? as timestamp) from {_CHANGES} where {of_days}",
        [datetime.now(UTC).replace(tzinfo=None, microsecond=0), *days],
    )
    session.run(
        f"update {_CHANGES} set change = case when change = 'added' then 'removed' else 'added' end where {of_days}",
        list(days),
    )


def _why_nothing(shown: Sequence[DayDiff]) -> str:
    if len(shown) > 1:
        days = f"{shown[0].day} to {shown[-1].day}"
        return f"{days}: every day is rolled back already, or has no logged change to roll back"
    [day] = shown
    if day.rolled_back_at:
        return f"{day.day} is rolled back already, at {day.rolled_back_at} UTC: a refresh brings the newer build back"
    return f"{day.day} has no logged change to roll back"


def _require_tables(session: Session) -> None:
    names = {f"{BUILT_SCHEMA}.{name}" for name in tables_in(session, BUILT_SCHEMA)}
    missing = [table for table in (_DAILY, _BUILT_DAY, _CHANGES, _ROLLED_BACK) if table not in names]
    if missing:
        raise RollbackError(
            f"{missing[0]} does not exist: a refresh of any day creates it, and logs changes from then on"
        )


def _columns(session: Session) -> list[str]:
    """Those of the daily table, as it is there."""
    rows = session.rows(
        f"select column_name from {session.catalog}columns where table_schema = ? and table_name = ?"
        " order by ordinal_position",
        _DAILY.split("."),
    )
    return [name for (name,) in rows]


def _changes(session: Session, first: date, last: date) -> dict[date, Change]:
    rows = session.rows(
        f"""
        select
            datestamp,
            max(build_id),
            max(built_at),
            sum(case when is_added = 1 and is_removed = 0 then 1 else 0 end),
            sum(case when is_added = 0 and is_removed = 1 then 1 else 0 end),
            sum(is_added * is_removed)
        from (
            select
                datestamp,
                max(build_id) as build_id,
                max(built_at) as built_at,
                max(case when change = 'added' then 1 else 0 end) as is_added,
                max(case when change = 'removed' then 1 else 0 end) as is_removed
            from {_CHANGES}
            where {_DAYS}
            group by datestamp, variant_id, user_id
        ) as changed
        group by datestamp
        """,
        [first, last],
    )
    return {day: Change(build, at, *map(int, numbers)) for day, build, at, *numbers in rows}


def _totals(session: Session, rows: str, parameters: Sequence[date]) -> dict[date, Totals]:
    totals = session.rows(
        f"""
        select
            datestamp,
            count(distinct user_id),
            sum(num_of_items),
            sum(num_of_clicks),
            coalesce(sum(num_of_purchases), 0),
            coalesce(sum(revenue), 0)
        from ({rows}) as daily
        group by datestamp
        """,
        parameters,
    )
    return {day: Totals(*map(int, numbers)) for day, *numbers in totals}
