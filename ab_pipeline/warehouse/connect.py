"""Which warehouse the settings name."""

from __future__ import annotations

from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import Warehouse, WarehouseError
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from ab_pipeline.warehouse.redshift import RedshiftWarehouse

# longer than a look or a refresh has the file
_PATIENCE = 60.0


def warehouse_of(settings: Settings, *, is_patient: bool = False) -> Warehouse:
    """The warehouse of the configured target. A patient one waits, and says so, while another process has the file."""
    if settings.target == "redshift":
        return RedshiftWarehouse(settings)
    return embedded_warehouse(settings, is_patient=is_patient)


def embedded_warehouse(settings: Settings, *, is_patient: bool = False) -> DuckDBWarehouse:
    """The DuckDB file, for what only works there.

    Raises:
        WarehouseError: the target is another.
    """
    if settings.target != "local":
        raise WarehouseError(
            f"AB_PIPELINE_TARGET={settings.target}: this works on the embedded warehouse only."
            " Set AB_PIPELINE_TARGET=local."
        )
    return DuckDBWarehouse(settings.duckdb_path, _PATIENCE if is_patient else 0)
