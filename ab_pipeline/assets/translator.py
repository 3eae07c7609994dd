"""How a dbt node becomes an asset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster import AssetSpec, MetadataValue, PartitionsDefinition
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject


class AbPipelineTranslator(DagsterDbtTranslator):
    """Incremental models are partitioned by day; everything else is rebuilt whole and is not."""

    def __init__(self, partitions: PartitionsDefinition, dagster_url: str = "") -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))
        self._partitions = partitions
        self._docs = f"{dagster_url.rstrip('/')}/docs/" if dagster_url else ""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> AssetSpec:
        """Dagster's, without what the pipeline remembers of its own builds: that is no data that somebody lands."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        return spec.replace_attributes(deps=[dep for dep in spec.deps if dep.asset_key.path[0] != "state"])

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Dagster's, and where `ab-pipeline serve` shows dbt's documentation of it."""
        metadata = super().get_metadata(dbt_resource_props)
        if not self._docs:
            return metadata
        kind, name = dbt_resource_props["resource_type"], dbt_resource_props["unique_id"]
        return {**metadata, "documentation": MetadataValue.url(f"{self._docs}#!/{kind}/{name}")}

    def get_partitions_def(self, dbt_resource_props: Mapping[str, Any]) -> PartitionsDefinition | None:
        """The days, for an incremental model."""
        is_incremental = dbt_resource_props["config"].get("materialized") == "incremental"
        return self._partitions if is_incremental else None

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The dbt group."""
        return dbt_resource_props.get("group")
