"""The raw tables: assets that the source system makes and the pipeline only reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster import AssetSpec

from ab_pipeline.assets.translator import AbPipelineTranslator


def raw_assets(manifest: Mapping[str, Any], translator: AbPipelineTranslator) -> list[AssetSpec]:
    """One external asset a raw table, described as `models/src/sources.yml` describes it."""
    return [
        translator.get_asset_spec(manifest, unique_id, None).replace_attributes(
            group_name="raw_data", description=source["description"]
        )
        for unique_id, source in manifest["sources"].items()
        if source["source_name"] == "raw_data"
    ]
