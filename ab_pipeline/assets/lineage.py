"""Column lineage, as the metadata that Dagster shows it from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster import TableColumnDep, TableColumnLineage
from dagster_dbt import DbtProject

from ab_pipeline.assets.translator import AbPipelineTranslator
from ab_pipeline.dbt.lineage import ColumnLineage


def lineage_metadata(
    lineage: ColumnLineage, manifest: Mapping[str, Any], translator: AbPipelineTranslator, project: DbtProject
) -> dict[str, Mapping[str, Any]]:
    """By unique_id, what to add to the materializations of the node."""
    upstream_ids = {upstream for columns in lineage.values() for deps in columns.values() for upstream, _ in deps}
    keys = {unique_id: translator.get_asset_spec(manifest, unique_id, project).key for unique_id in upstream_ids}
    return {
        unique_id: {
            "dagster/column_lineage": TableColumnLineage(
                {
                    column: [TableColumnDep(keys[upstream], name) for upstream, name in deps]
                    for column, deps in columns.items()
                }
            )
        }
        for unique_id, columns in lineage.items()
    }
