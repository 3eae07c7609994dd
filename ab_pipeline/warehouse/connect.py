"""Which warehouse the settings name."""

from __future__ import annotations

from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import Warehouse, WarehouseError
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse


def warehouse_of(settings: Settings) -> Warehouse:
    """The warehouse of the configured target."""
    if settings.target == "local":
        return DuckDBWarehouse(settings.duckdb_path)
    raise WarehouseError(f"target {settings.target} is reached through dbt only")
