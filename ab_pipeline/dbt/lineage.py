"""Column lineage: the upstream columns that each column is computed from, read off the compiled SQL."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from sqlglot import MappingSchema, exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

# {unique_id: {column: ((upstream unique_id, column), ...)}}
ColumnLineage = dict[str, dict[str, tuple[tuple[str, str], ...]]]

_RELATIONS = {"model", "seed", "snapshot", "source"}
_logger = logging.getLogger(__name__)


def column_lineage(manifest: Mapping[str, Any], dialect: str = "duckdb") -> ColumnLineage:
    """The lineage of every model and snapshot in the manifest of a `dbt compile`.

    Columns that filter or join are not lineage. A column that is declared in yml and not selected, as a snapshot's
    dbt_valid_from, has no upstream. A model that sqlglot cannot read is left out, with a warning.
    """
    nodes = [node for node in chain(manifest["sources"].values(), manifest["nodes"].values()) if _is_relation(node)]
    unique_ids = {exp.normalize_table_name(node["relation_name"], dialect): node["unique_id"] for node in nodes}
    schema = MappingSchema(dialect=dialect)
    for node in nodes:
        types = {name: column["data_type"] or "unknown" for name, column in node["columns"].items()}
        schema.add_table(exp.to_table(node["relation_name"], dialect), types)
    result: ColumnLineage = {}
    for node in nodes:
        if not node.get("compiled_code"):
            continue
        try:
            selected = lineage(None, node["compiled_code"], schema, dialect=dialect)
        except SqlglotError as error:
            _logger.warning("no column lineage of %s: %s", node["unique_id"], error)
            continue
        columns = {name.lower(): () for name in node["columns"]}
        for name, root in selected.items():
            upstream = _leaves(root, dialect)
            columns[name] = tuple(
                sorted({(unique_ids[table], column) for table, column in upstream if table in unique_ids})
            )
        result[node["unique_id"]] = columns
    return result


def _is_relation(node: Mapping[str, Any]) -> bool:
    return node["resource_type"] in _RELATIONS and bool(node["relation_name"])


def _leaves(root: Node, dialect: str) -> Iterator[tuple[str, str]]:
    """The (table, column) pairs that nothing in the query computes."""
    for node in root.walk():
        if isinstance(node.expression, exp.Table):
            yield exp.normalize_table_name(node.expression, dialect), exp.to_column(node.name).name
