"""What is read from the warehouse about a node that dbt has just finished, on the thread that finished it.

The main thread could not: its connection would be closed by dbt's end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ab_pipeline.dbt.api import query
from ab_pipeline.dbt.arguments import DayWindow

_SHOWN_ROWS = 10


@dataclass(frozen=True)
class Changed:
    """Rows of a day that a build made different. A changed row has the same variant and user as before."""

    added: int = 0
    removed: int = 0
    changed: int = 0

    def metadata(self) -> dict[str, int]:
        """As Dagster shows it."""
        return {"rows added": self.added, "rows removed": self.removed, "rows changed": self.changed}


def row_count(node: Mapping[str, Any]) -> int:
    """The rows of a table.

    Raises:
        QueryError: the warehouse refused.
    """
    return int(query(f"select count(*) from {node['schema']}.{node['alias']}")[0][0])


def rows_by_day(node: Mapping[str, Any], window: DayWindow) -> dict[str, int]:
    """The rows of each day of a window.

    Raises:
        QueryError: the warehouse refused.
    """
    found = query(
        f"select cast(datestamp as varchar), count(*) from {node['schema']}.{node['alias']}"
        f" where {_in(window)} group by datestamp"
    )
    counts = {str(day): int(count) for day, count in found.rows}
    return {day: counts.get(day, 0) for day in window.days()}


def changes_by_day(node: Mapping[str, Any], build_id: str) -> dict[str, Changed]:
    """The rows of each day that a build of the daily table changed, as its log has them.

    Raises:
        QueryError: the warehouse refused.
    """
    found = query(
        f"""
        select
            cast(datestamp as varchar),
            sum(case when is_added = 1 and is_removed = 0 then 1 else 0 end),
            sum(case when is_added = 0 and is_removed = 1 then 1 else 0 end),
            sum(is_added * is_removed)
        from (
            select
                datestamp,
                max(case when change = 'added' then 1 else 0 end) as is_added,
                max(case when change = 'removed' then 1 else 0 end) as is_removed
            from {node["schema"]}.{node["alias"]}_changes
            where build_id = '{build_id}'
            group by datestamp, variant_id, user_id
        ) as changed
        group by datestamp
        """
    )
    return {str(day): Changed(*map(int, numbers)) for day, *numbers in found.rows}


def is_there(node: Mapping[str, Any]) -> bool:
    """Whether a relation is built.

    Raises:
        QueryError: the warehouse refused.
    """
    names = f"table_schema = '{node['schema']}' and table_name = '{node['alias']}'"
    return bool(query(f"select 1 from information_schema.tables where {names}").rows)


def _in(window: DayWindow) -> str:
    first, *_ = days = list(window.days())
    return f"datestamp >= '{first}' and datestamp <= '{days[-1]}'"


def failing_rows(node: Mapping[str, Any], target_path: Path) -> list[dict[str, str]]:
    """The first rows that a data test found, each value as text.

    Raises:
        QueryError: the warehouse refused.
    """
    # dbt writes a generic test below the yml file that asks for it
    path = target_path / "compiled" / node["package_name"] / node["original_file_path"]
    compiled = (path / node["path"] if path.suffix != ".sql" else path).read_text()
    table = query(f"select * from (\n{compiled}\n) as failing limit {_SHOWN_ROWS}")
    return [{name: str(value) for name, value in zip(table.column_names, row, strict=True)} for row in table.rows]
