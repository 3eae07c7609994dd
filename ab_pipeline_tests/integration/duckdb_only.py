"""The mark of a test that would say nothing more on the stand-in for Redshift: it is about a file, or about Dagster."""

from __future__ import annotations

import pytest

duckdb_only = pytest.mark.parametrize("warehouse", ["duckdb_file"], ids=["local"], indirect=True)
