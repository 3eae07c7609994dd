"""Rows that are inserted come back as they were, on both engines."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import Any

import pytest

from ab_pipeline.settings import load_settings
from ab_pipeline.warehouse.base import Warehouse
from ab_pipeline.warehouse.duckdb import DuckDBWarehouse
from ab_pipeline.warehouse.redshift import RedshiftWarehouse

COLUMNS = {"n": "bigint", "label": "varchar(64)", "rate": "double precision", "made_on": "date", "made_at": "timestamp"}
AT = dt.datetime.fromisoformat("2025-01-02 03:04:05")
ROWS: list[tuple[Any, ...]] = [
    (1, "", 0.1, AT.date(), AT),
    (2, 'it\'s "ü" ?, \\n \\', math.pi * 1e-300, AT.date(), AT),
    (2**62 + 1, "null", -0.1 - 0.2, AT.date(), AT),
    (3, None, None, None, None),
]


@pytest.fixture(params=["local", "redshift"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    if request.param == "local":
        return DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    request.getfixturevalue("redshift")
    return RedshiftWarehouse(load_settings())


@pytest.mark.parametrize("rows", [ROWS, ROWS * 300, []], ids=["few", "more than a statement takes", "none"])
def test_values_come_back_as_they_were(warehouse: Warehouse, rows: list[tuple[Any, ...]]) -> None:
    with warehouse.open(read_only=False) as session:
        session.run(f"create table t ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})")
        session.insert("t", COLUMNS, rows)
        assert sorted(session.rows("select * from t"), key=repr) == sorted(rows, key=repr)
