"""Fixtures of more than one test module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ab_pipeline.settings import ENV_PREFIX
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse
from ab_pipeline_tests.redshift.server import Redshift, redshift_server
from ab_pipeline_tests.servers import postgres_server, s3_server


@pytest.fixture(scope="session")
def dbt_warehouse(tmp_path_factory: pytest.TempPathFactory) -> DbtWarehouse:
    folder = tmp_path_factory.mktemp("dbt")
    return DbtWarehouse(folder / "warehouse.duckdb", folder / "target")


@pytest.fixture
def warehouse(dbt_warehouse: DbtWarehouse, monkeypatch: pytest.MonkeyPatch) -> DbtWarehouse:
    """Empty raw tables in a DuckDB file, and the settings that dbt reads, whatever the developer's own are."""
    monkeypatch.setenv(f"{ENV_PREFIX}TARGET", "local")
    monkeypatch.setenv(f"{ENV_PREFIX}DUCKDB_PATH", str(dbt_warehouse.path))
    monkeypatch.setenv(f"{ENV_PREFIX}START_DATE", "2025-01-01")
    monkeypatch.setenv(f"{ENV_PREFIX}TIMEZONE", "UTC")
    monkeypatch.setenv(f"{ENV_PREFIX}LOOKBACK_DAYS", "1")
    monkeypatch.delenv(f"{ENV_PREFIX}DUCKDB_MEMORY_LIMIT", raising=False)
    dbt_warehouse.create_raw_tables()
    return dbt_warehouse


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real PostgreSQL server. A test makes a database of its own in it."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def redshift_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redshift]:
    with redshift_server(tmp_path_factory.mktemp("redshift") / "server") as server:
        yield server


@pytest.fixture
def redshift(redshift_of_the_session: Redshift, monkeypatch: pytest.MonkeyPatch) -> Redshift:
    """A stand-in for Redshift, and the settings of a target on it. What was built in it is gone."""
    server = redshift_of_the_session
    server.reset()
    # where the driver looks for the certificates that it trusts
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    for name, value in server.settings().items():
        monkeypatch.setenv(f"{ENV_PREFIX}{name}", value)
    return server


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of a real S3 server, which boto3 finds through its own environment variables."""
    with s3_server() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield endpoint
