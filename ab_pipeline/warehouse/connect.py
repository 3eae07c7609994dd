"""Which warehouse the settings name."""

from __future__ import annotations

from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import Warehouse, WarehouseError
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from ab_pipeline.warehouse.redshift import RedshiftWarehouse


def warehouse_of(settings: Settings) -> Warehouse:
    """The warehouse of the configured target."""
    if settings.target == "redshift":
        return RedshiftWarehouse(settings)
    return embedded_warehouse(settings)


def embedded_warehouse(settings: Settings) -> DuckDBWarehouse:
    """The DuckDB file, for what only works there.

    Raises:
        WarehouseError: the target is another.
    """
    if settings.target != "local":
        raise WarehouseError(
            f"AB_PIPELINE_TARGET={settings.target}: this works on the embedded warehouse only."
            " Set AB_PIPELINE_TARGET=local."
        )
    return DuckDBWarehouse(settings.duckdb_path)
