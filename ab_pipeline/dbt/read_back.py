"""What is read from the warehouse about a node that dbt has just finished, on the thread that finished it.

The main thread could not: its connection would be closed by dbt's end.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ab_pipeline.dbt.api import query

_SHOWN_ROWS = 10


def row_count(node: Mapping[str, Any]) -> int:
    """The rows of a table.

    Raises:
        QueryError: the warehouse refused.
    """
    return int(query(f"select count(*) from {node['schema']}.{node['alias']}")[0][0])


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
