"""What is built, in a few numbers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from ab_pipeline.warehouse.base import BUILT_SCHEMA, Session, tables_in

BUILT_TABLES = (
    "dim_user_variant",
    "dim_user_metadata",
    "fact_user_event",
    "snapshot_user_metadata",
    "snapshot_user_variant",
    "analytics_variant_user_daily",
)


@dataclass(frozen=True)
class VariantSummary:
    """One variant's rows of the daily table."""

    variant_id: str | None
    users: int
    first_day: dt.date | None
    last_day: dt.date | None
    impressions: int
    clicks: int
    purchases: int
    revenue: int


def row_counts(session: Session) -> dict[str, int]:
    """Rows per built table; a table that is not there is left out."""
    names = tables_in(session, BUILT_SCHEMA)
    return {
        table: session.rows(f"select count(*) from {BUILT_SCHEMA}.{table}")[0][0]
        for table in BUILT_TABLES
        if table in names
    }


def variants(session: Session) -> list[VariantSummary]:
    """The daily table by variant, in the order of their names. Users are those who have events."""
    rows = session.rows(
        f"""
        select
            variant_id,
            count(distinct user_id),
            min(datestamp),
            max(datestamp),
            sum(num_of_items),
            sum(num_of_clicks),
            coalesce(sum(num_of_purchases), 0),
            coalesce(sum(revenue), 0)
        from {BUILT_SCHEMA}.analytics_variant_user_daily
        group by variant_id
        order by variant_id
        """
    )
    # Redshift sums whole numbers to decimals
    return [VariantSummary(*row[:4], *map(int, row[4:])) for row in rows]
