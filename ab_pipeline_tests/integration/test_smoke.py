"""`ab-pipeline smoke` on both targets: every step is good, a step that is not ends it, and nothing is left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from click.testing import CliRunner

from ab_pipeline.cli import main
from ab_pipeline.settings import ENV_PREFIX, get_settings, load_settings
from ab_pipeline.warehouse.connect import warehouse_of
from ab_pipeline_tests.redshift.faults import DISK_FULL, Fault, Injection
from ab_pipeline_tests.redshift.server import Redshift

pytestmark = pytest.mark.slow

NUM_OF_STEPS = 10


@pytest.fixture(autouse=True)
def settings_are_read_afresh() -> Iterator[None]:
    # the command exports its settings to the environment
    with mock.patch.dict(os.environ):
        get_settings.cache_clear()
        yield
    get_settings.cache_clear()


def smoke_schemas() -> list[str]:
    with warehouse_of(load_settings()).open() as session:
        rows = session.rows("select nspname from pg_namespace where nspname like 'ab_pipeline_smoke%'")
    return [name for (name,) in rows]


def test_on_a_laptop_it_works_in_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}TARGET", "local")
    monkeypatch.setenv(f"{ENV_PREFIX}DUCKDB_PATH", str(tmp_path / "warehouse.duckdb"))
    result = CliRunner().invoke(main, ["smoke"])
    assert result.exit_code == 0, result.output
    assert result.output.count("│ ok │") == NUM_OF_STEPS
    assert list(tmp_path.iterdir()) == []


def test_on_redshift_every_step_is_good_and_the_schemas_are_dropped(redshift: Redshift) -> None:
    result = CliRunner().invoke(main, ["smoke"])
    assert result.exit_code == 0, result.output
    assert result.output.count("│ ok │") == NUM_OF_STEPS
    assert smoke_schemas() == []
    assert redshift.password not in result.output


def test_a_step_that_fails_is_named_and_the_schemas_are_dropped(redshift: Redshift) -> None:
    redshift.faults.inject(Injection(Fault.ERROR, pattern=r"insert into \S*fact_user_event\W", error=DISK_FULL))
    result = CliRunner().invoke(main, ["smoke"])
    assert result.exit_code == 1
    assert "Error: everything is built:" in result.output
    assert "Disk Full" in result.output
    assert smoke_schemas() == []


def test_a_target_that_cannot_be_reached_is_one_sentence(redshift: Redshift, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}REDSHIFT_PORT", "1")
    result = CliRunner().invoke(main, ["smoke"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: 127.0.0.1:1 cannot be reached")
    assert len(result.output.splitlines()) == 1
