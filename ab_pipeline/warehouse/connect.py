"""Which warehouse the settings name."""

from __future__ import annotations

from dataclasses import replace

from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import Warehouse, WarehouseError
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from ab_pipeline.warehouse.redshift import RedshiftWarehouse

# longer than a look or a refresh has the file
_PATIENCE = 60.0
# runs that follow each other leave gaps of a second: a look that did not wait for one might never come
_PATIENCE_OF_LOOKS = 15.0


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
    return DuckDBWarehouse(settings.duckdb_path, _PATIENCE if is_patient else 0, is_told=is_patient)


def warehouse_to_look_at(settings: Settings) -> Warehouse:
    """The same for the sensor, which waits between two runs to have its turn."""
    found = warehouse_of(settings)
    return replace(found, patience=_PATIENCE_OF_LOOKS) if isinstance(found, DuckDBWarehouse) else found
