"""What the raw tables hold now, and what the tables were built from, read from the warehouse.

Signatures are those of `dbt_project/macros/dialect.sql`, so that both sides can be compared.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ab_pipeline.automation.plan import BuiltDay, DaySignature
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA, USER_EVENT, USER_METADATA, USER_VARIANT, RawTable
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Row, Session, WarehouseError, tables_in

STALE_USERS = "users"
MISSING_USERS = "dim_user"
STALE_EXPERIMENTS = "experiments"
STALE_REGISTRY = "registry"
DIMENSIONS = (USER_VARIANT, USER_METADATA)


@dataclass(frozen=True)
class RawSide:
    """A raw table whose rows are of no day: how many, and their signature."""

    num_of_rows: int
    signature: str


@dataclass(frozen=True)
class Extent:
    """What the daily table was built from, as a whole."""

    days: int
    rows_before: int
    """Events of the days before those that are compared, and not of those without a day."""


@dataclass(frozen=True)
class RawTables:
    """The columns that each raw table really has: an optional one may be missing."""

    columns: dict[str, frozenset[str]]

    def signature_columns(self, table: RawTable) -> list[str]:
        """The columns of the contract, in its order, as the build signs them."""
        found = self.columns[table.name]
        return [
            f"cast(null as {column.type})" if column.is_optional and column.name not in found else column.name
            for column in table.columns
        ]


def read_raw_tables(session: Session) -> RawTables:
    """The raw tables, if they are as the contract says.

    Raises:
        WarehouseError: names every table and column that is missing.
    """
    columns: dict[str, set[str]] = {}
    for table, column in session.rows(
        f"select lower(table_name), lower(column_name) from {session.catalog}columns where table_schema = ?", [SCHEMA]
    ):
        columns.setdefault(table, set()).add(column)
    missing = [table.relation for table in RAW_TABLES.values() if table.name not in columns]
    missing += [
        f"{table.relation}.{column.name}"
        for table in RAW_TABLES.values()
        for column in table.columns
        if table.name in columns and not column.is_optional and column.name not in columns[table.name]
    ]
    if missing:
        raise WarehouseError(
            f"missing in {session.name}: {', '.join(missing)}. Raw tables come from `ab-pipeline load`,"
            " or made up from `ab-pipeline sample`."
        )
    return RawTables({table: frozenset(names) for table, names in columns.items()})


def newest_day(session: Session, today: dt.date, built: dt.date | None = None) -> dt.date | None:
    """The newest day with raw events that is not in the future.

    It is no older than the newest one that is `built`, unless that was emptied: a range, of which few blocks are read.
    """
    tomorrow = today + dt.timedelta(days=1)
    for first in (built, None) if built else (None,):
        since = f"datestamp >= '{first}' and " if first else ""
        [(newest,)] = session.rows(
            f"select cast(cast(max(datestamp) as date) as varchar) from {USER_EVENT.relation}"
            f" where {since}datestamp < ?",
            [tomorrow],
        )
        if newest is not None:
            return _day(newest)
    return None


def raw_days(session: Session, since: dt.date, older: Collection[dt.date] = ()) -> dict[dt.date | None, DaySignature]:
    """The signature of every day from `since` on, of single older ones, and of the events without a day."""
    signature = session.signature([column.name for column in USER_EVENT.columns])
    rows = session.rows(
        # grouped by dates: to group by their texts takes four times as long
        f"select cast(cast(datestamp as date) as varchar), count(*), {signature}"
        f" from {_rows_since(since, USER_EVENT.relation, older)} group by cast(datestamp as date) order by 1",
    )
    days: dict[dt.date | None, DaySignature] = {}
    for value, count, text in rows:
        day = _day(value)
        others = days.get(day, DaySignature())
        days[day] = DaySignature(others.num_of_events + count, others.signature + text)
    return days


def built_days(session: Session, since: dt.date, older: Collection[dt.date] = ()) -> dict[dt.date | None, BuiltDay]:
    """What every day from `since` on, and single older ones, were built from; none while nothing is built."""
    if not is_built(session, ["built_day", "analytics_variant_user_daily"]):
        return {}
    rows = session.rows(
        "select cast(datestamp as varchar), num_of_events, coalesce(signature, 'unsettled'), build_id"
        f" from {_rows_since(since, f'{BUILT_SCHEMA}.built_day', older)} order by 1",
    )
    days: dict[dt.date | None, BuiltDay] = {}
    for value, count, text, build_id in rows:
        day = _day(value)
        others = days.get(day, BuiltDay()).events
        events = DaySignature(others.num_of_events + count, others.signature + text)
        days[day] = BuiltDay(events, build_id)
    return days


def built_span(session: Session, today: dt.date) -> tuple[dt.date | None, dt.date | None]:
    """The first and the last day that is built and not in the future; None while nothing is."""
    if not is_built(session, ["built_day"]):
        return None, None
    [(oldest, newest)] = session.rows(
        "select cast(min(datestamp) as varchar), cast(max(datestamp) as varchar)"
        f" from {BUILT_SCHEMA}.built_day where datestamp <= ?",
        [today],
    )
    return _day(oldest), _day(newest)


def built_extent(session: Session, since: dt.date) -> Extent:
    """How many days are built, and what is older than the days from `since` on."""
    if not is_built(session, ["built_day", "analytics_variant_user_daily"]):
        return Extent(0, 0)
    [(days, rows)] = session.rows(
        "select count(distinct datestamp),"
        f" coalesce(sum(case when datestamp < '{since}' then num_of_events else 0 end), 0)"
        f" from {BUILT_SCHEMA}.built_day"
    )
    return Extent(int(days), int(rows))


def raw_side(session: Session, raw: RawTables, table: RawTable) -> RawSide:
    """What a raw table without days holds."""
    [(count, signature)] = session.rows(
        f"select count(*), {session.signature(raw.signature_columns(table))} from {table.relation}"
    )
    return RawSide(int(count), signature)


def dimension_changes(session: Session, there: Mapping[str, RawSide]) -> dict[str, str]:
    """Why dimensions, or the rows of users in the daily table, are not what the raw tables say.

    By what is stale: a raw table's name, MISSING_USERS while there are no dimensions, STALE_USERS for rows that no
    longer carry what the dimensions hold, or STALE_EXPERIMENTS for tables of experiments that are older than the daily
    table. The value stands for the difference and for the builds it is a difference to.
    """
    changes: dict[str, str] = {}
    dimensions: list[str | None] = []
    for name, side in there.items():
        built = [_recorded(session, f"built_{kind}_{name}") for kind in ("dim", "snapshot")]
        if any(record is None or record[:2] != (side.num_of_rows, side.signature) for record in built):
            changes[name] = f"{side} {built}"
        dimensions.append(built[0][1] if built[0] else None)
    if not is_built(session, ["dim_user"]):
        # a build that ended halfway: no later one selects what its raw tables do not ask for
        changes[MISSING_USERS] = "missing"
    elif is_built(session, ["built_dimensions"]):
        carried = session.rows(f"select variant_signature, metadata_signature from {BUILT_SCHEMA}.built_dimensions")
        if carried and carried != [tuple(dimensions)]:
            changes[STALE_USERS] = f"{dimensions} {carried}"
    if behind := _experiments_behind(session):
        changes[STALE_EXPERIMENTS] = behind
    return changes


def _experiments_behind(session: Session) -> str:
    """The experiments whose tables are not what a build would make of them: a run ended halfway."""
    if "experiment_changes" not in tables_in(session, BUILT_SCHEMA):
        return ""
    rows = session.rows(f"select experiment_id from {BUILT_SCHEMA}.experiment_changes where is_due order by 1")
    return " ".join(name or "days" for (name,) in rows)


def _recorded(session: Session, state: str) -> Row | None:
    rows = (
        session.rows(f"select num_of_rows, signature, built_at from {BUILT_SCHEMA}.{state}")
        if is_built(session, [state])
        else []
    )
    return rows[0] if rows else None


def _rows_since(since: dt.date, relation: str, older: Collection[dt.date]) -> str:
    """The rows of days from `since` on, those of single days before it, and those without a day, in a scan each.

    A range skips blocks by their zone maps; of a range `or` something else, AWS does not say so.
    """
    if since == dt.date.min:
        return relation
    ranges = [f"datestamp >= '{since}'", "datestamp is null"]
    ranges += [
        f"datestamp >= '{day}' and datestamp < '{day + dt.timedelta(days=1)}'" for day in sorted(older) if day < since
    ]
    scans = (f"select * from {relation} where {one}" for one in ranges)
    return f"({' union all '.join(scans)}) as rows_since"


def _day(text: str | None) -> dt.date | None:
    """Python's days are of the years 1 to 9999. Those before, and those after, are one day each here."""
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return dt.date.min if "BC" in text else dt.date.max


def is_built(session: Session, relations: Sequence[str]) -> bool:
    """Whether dbt has built all of the relations."""
    return tables_in(session, BUILT_SCHEMA).issuperset(relations)
