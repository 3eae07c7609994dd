"""An edited declaration is due at the next look, and settled by the run that it leads to. With the real dbt project."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ab_pipeline.paths import PROJECT_DIR, REGISTRY
from ab_pipeline.settings import Settings
from ab_pipeline_tests.automation.test_raw_changes import EXPERIMENTS, SEEDS, selected
from ab_pipeline_tests.automation.two_days import add_two_days, reason
from ab_pipeline_tests.daemon import Daemon
from ab_pipeline_tests.dbt_warehouse import DuckDBFile


@pytest.fixture
def registry(warehouse: DuckDBFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Files that a test may edit."""
    folder = tmp_path / "registry"
    shutil.copytree(REGISTRY, folder)
    monkeypatch.setenv("AB_PIPELINE_REGISTRY", str(folder))
    yield folder
    link = Settings().registry_link
    assert link
    link.unlink(missing_ok=True)
    shutil.rmtree(PROJECT_DIR / "target" / Settings().dbt_folder, ignore_errors=True)


@pytest.fixture
def everything_built(registry: Path, warehouse: DuckDBFile, daemon: Daemon) -> Daemon:
    add_two_days(warehouse)
    [run] = daemon.tick()
    assert daemon.execute(run)
    assert daemon.tick() == []
    return daemon


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_each_kind_of_edit_leads_to_a_run_of_the_registry_and_what_depends_on_it(
    everything_built: Daemon, registry: Path, warehouse: DuckDBFile
) -> None:
    files = {path.name: path.read_text() for path in registry.iterdir()}
    for file, old, new in (
        ("experiments.csv", "2025-02-23", "2025-02-24"),
        ("experiment_variants.csv", "search_semantic,false,0.25", "search_semantic,false,0.2"),
        ("metrics.csv", "0.99", "0.95"),
    ):
        edit(registry / file, old, new)
        [run] = everything_built.tick()
        assert selected(run) == SEEDS | EXPERIMENTS, file
        assert everything_built.execute(run)
        assert "what is built is what the raw tables say" in reason(everything_built)
        everything_built.tick()
    assert warehouse.execute("select cap from analytics.metrics where cap is not null") == [(0.95,)]
    # dbt writes over files that it finds by an absolute path
    assert {path.name for path in registry.iterdir()} == files.keys()
    assert "search_semantic,false,0.2\n" in (registry / "experiment_variants.csv").read_text()


def test_a_mistake_is_said_where_it_stands_and_requests_nothing(everything_built: Daemon, registry: Path) -> None:
    edit(registry / "metrics.csv", "0.99", "99")
    said = reason(everything_built)
    assert "the registry is not built: metrics.csv, row 4, column cap: 99 is not a quantile between 0 and 1" in said
    assert "what is built is what the raw tables say" not in said


def test_another_order_and_spaces_are_no_edit(everything_built: Daemon, registry: Path) -> None:
    header, *rows = (registry / "metrics.csv").read_text().splitlines()
    (registry / "metrics.csv").write_text("\n".join([header, *reversed([row.replace(",", ", ") for row in rows])]))
    assert "what is built is what the raw tables say" in reason(everything_built)
