"""Fixtures of more than one test module."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import redshift_connector

from ab_pipeline.paths import PROJECT_DIR
from ab_pipeline.settings import ENV_PREFIX
from ab_pipeline_tests.dbt_warehouse import DuckDBFile
from ab_pipeline_tests.redshift.server import Redshift, redshift_server
from ab_pipeline_tests.servers import postgres_server, s3_server, server_folder

# what takes seconds to start or to build: whoever asks for it is in the tier `slow`
_SERVERS = {
    "browser",
    "duckdb_file",
    "postgres",
    "redshift",
    "redshift_of_the_session",
    "s3",
    "warehouse",
}


def pytest_configure() -> None:
    # none: the developer's own would have the tests' commands in its audit
    os.environ["DAGSTER_HOME"] = str(Path(tempfile.gettempdir()) / "no_dagster_home_of_the_tests")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tier of each test; long ones first, so that no worker is left alone with them at the end."""
    for item in items:
        if _SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
        on_redshift = "redshift" in getattr(getattr(item, "callspec", None), "id", "").split("-")
        if on_redshift and item.get_closest_marker("says_the_same_on_redshift"):
            item.add_marker("thorough")
    items.sort(key=lambda item: "integration" not in item.path.parts)


@pytest.fixture
def settings_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """What dbt and the package read, whatever the developer's own settings are."""
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(f"{ENV_PREFIX}START_DATE", "2025-01-01")
    monkeypatch.setenv(f"{ENV_PREFIX}TIMEZONE", "UTC")
    monkeypatch.setenv(f"{ENV_PREFIX}LOOKBACK_DAYS", "1")


@pytest.fixture(scope="session")
def duckdb_file_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDBFile]:
    folder = tmp_path_factory.mktemp("dbt")
    # Dagster's runs have a target folder named after it: dbt parses again where another process has parsed
    name = f"test_{os.getpid()}"
    yield DuckDBFile(folder / "target", folder / f"{name}.duckdb")
    shutil.rmtree(PROJECT_DIR / "target" / f"local-{name}", ignore_errors=True)


@pytest.fixture
def duckdb_file(
    settings_of_the_tests: None, duckdb_file_of_the_session: DuckDBFile, monkeypatch: pytest.MonkeyPatch
) -> DuckDBFile:
    """Empty raw tables in a DuckDB file, and the settings that name it."""
    monkeypatch.setenv(f"{ENV_PREFIX}TARGET", "local")
    monkeypatch.setenv(f"{ENV_PREFIX}DUCKDB_PATH", str(duckdb_file_of_the_session.path))
    duckdb_file_of_the_session.create_raw_tables()
    return duckdb_file_of_the_session


@pytest.fixture
def warehouse(duckdb_file: DuckDBFile) -> DuckDBFile:
    """The embedded one; below integration/ a test that takes this fixture runs on Redshift too."""
    return duckdb_file


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL server. A test makes a database of its own in it."""
    with server_folder() as folder, postgres_server(folder) as url:
        yield url


@pytest.fixture(scope="session")
def redshift_of_the_session() -> Iterator[Redshift]:
    with server_folder() as folder, redshift_server(folder) as server:
        yield server


@pytest.fixture
def redshift(
    settings_of_the_tests: None, redshift_of_the_session: Redshift, monkeypatch: pytest.MonkeyPatch
) -> Redshift:
    """A stand-in for Redshift, and the settings that name it. What another test did in it is gone."""
    server = redshift_of_the_session
    server.reset()
    # where the driver looks for the certificates that it trusts
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    for name, value in server.settings().items():
        monkeypatch.setenv(f"{ENV_PREFIX}{name}", value)
    # without a name the driver looks for its caller's in all modules that are loaded: a third of a refresh
    named = partial(redshift_connector.connect, application_name="ab_pipeline_tests")
    monkeypatch.setattr(redshift_connector, "connect", named)
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
