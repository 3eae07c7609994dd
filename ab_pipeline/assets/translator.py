"""How a dbt node becomes an asset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster import PartitionsDefinition
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings


class AbPipelineTranslator(DagsterDbtTranslator):
    """Incremental models are partitioned by day; everything else is rebuilt whole and is not."""

    def __init__(self, partitions: PartitionsDefinition) -> None:
        super().__init__(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))
        self._partitions = partitions

    def get_partitions_def(self, dbt_resource_props: Mapping[str, Any]) -> PartitionsDefinition | None:
        """The days, for an incremental model."""
        is_incremental = dbt_resource_props["config"].get("materialized") == "incremental"
        return self._partitions if is_incremental else None

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The dbt group."""
        return dbt_resource_props.get("group")
