"""What the raw tables hold now, and what the tables were built from, read from the warehouse.

Signatures are those of `dbt_project/macros/dialect.sql`, so that both sides can be compared.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from ab_pipeline.automation.plan import BuiltDay, DaySignature
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA, USER_EVENT, USER_METADATA, USER_VARIANT, RawTable
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Session, WarehouseError

STALE_USERS = "users"
_DIMENSIONS = (USER_VARIANT, USER_METADATA)


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
        "select table_name, column_name from information_schema.columns where table_schema = ?", [SCHEMA]
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
        raise WarehouseError(f"missing in the warehouse: {', '.join(missing)}")
    return RawTables({table: frozenset(names) for table, names in columns.items()})


def newest_day(session: Session, today: dt.date) -> dt.date | None:
    """The newest day with raw events that is not in the future."""
    tomorrow = today + dt.timedelta(days=1)
    [(newest,)] = session.rows(f"select max(datestamp) from {USER_EVENT.relation} where datestamp < ?", [tomorrow])
    return newest.date() if newest else None


def raw_days(session: Session, since: dt.date) -> dict[dt.date | None, DaySignature]:
    """The signature of every day from `since` on, and of the events without a day."""
    signature = session.signature([column.name for column in USER_EVENT.columns])
    rows = session.rows(
        f"select cast(datestamp as date), count(*), {signature} from {USER_EVENT.relation}"
        " where datestamp >= ? or datestamp is null group by 1",
        [since],
    )
    return {day: DaySignature(count, text) for day, count, text in rows}


def built_days(session: Session, since: dt.date) -> dict[dt.date | None, BuiltDay]:
    """What every day from `since` on was built from; none while nothing is built."""
    if not _exists(session, ["built_day"]):
        return {}
    rows = session.rows(
        f"select datestamp, num_of_events, signature, build_id from {BUILT_SCHEMA}.built_day"
        " where datestamp >= ? or datestamp is null",
        [since],
    )
    return {day: BuiltDay(DaySignature(count, text), build_id) for day, count, text, build_id in rows}


def dimension_changes(session: Session, raw: RawTables) -> dict[str, str]:
    """Why dimensions, or the rows of users in the daily table, are not what the raw tables say.

    By what is stale: a raw table's name, or STALE_USERS for rows that no longer carry what the dimensions hold. The
    value stands for the difference and for the builds it is a difference to.
    """
    changes: dict[str, str] = {}
    builds: list[object] = []
    for table in _DIMENSIONS:
        signature = session.signature(raw.signature_columns(table))
        [there] = session.rows(f"select count(*), {signature} from {table.relation}")
        built_table = f"built_dim_{table.name}"
        built = (
            session.rows(f"select num_of_rows, signature, built_at from {BUILT_SCHEMA}.{built_table}")
            if _exists(session, [built_table])
            else []
        )
        builds.append(built)
        if not built or there != built[0][:2]:
            changes[table.name] = f"{there} {built}"
    if _exists(session, ["dim_user", "built_user"]):
        carried = "user_id, variant_id, age, gender, num_of_assignments"
        now = f"select {carried} from {BUILT_SCHEMA}.dim_user where has_metadata"
        then = f"select {carried} from {BUILT_SCHEMA}.built_user"
        [(differing, text)] = session.rows(
            f"select count(*), {session.signature(carried.split(', '))}"
            f" from (({now} except {then}) union all ({then} except {now})) as differing"
        )
        if differing:
            changes[STALE_USERS] = f"{text} {builds}"
    return changes


def _exists(session: Session, relations: Sequence[str]) -> bool:
    marks = ", ".join("?" for _ in relations)
    [(found,)] = session.rows(
        f"select count(*) from information_schema.tables where table_schema = ? and table_name in ({marks})",
        [BUILT_SCHEMA, *relations],
    )
    return found == len(relations)
