from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ab_pipeline.dbt import project as project_module
from ab_pipeline.dbt.project import DbtParseError, load_lineage, load_project
from ab_pipeline.paths import PROJECT_DIR
from ab_pipeline.settings import Settings

pytestmark = pytest.mark.slow

PREPARED = {"manifest.json", "partial_parse.msgpack", "lineage.json"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project that is prepared, which takes seconds, once."""
    folder = tmp_path_factory.mktemp("project") / "dbt_project"
    shutil.copytree(PROJECT_DIR, folder, ignore=shutil.ignore_patterns("target", "logs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project_module, "PROJECT_DIR", folder)
        load_project(settings(folder))
    return folder


@pytest.fixture
def project_dir(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "dbt_project"
    shutil.copytree(prepared, folder)
    monkeypatch.setattr(project_module, "PROJECT_DIR", folder)
    return folder


def settings(project_dir: Path) -> Settings:
    return Settings(target="local", duckdb_path=project_dir.parent / "warehouse.duckdb")


def files(project_dir: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project_dir / "target" / "local-warehouse").iterdir()}


def edit(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)
    # the copy is as old as the manifest, to the resolution of the file system
    newer = path.stat().st_mtime + 60
    os.utime(path, (newer, newer))


def test_a_missing_manifest_is_made_without_the_warehouse(prepared: Path) -> None:
    assert set(files(prepared)) == PREPARED
    assert not (prepared.parent / "warehouse.duckdb").exists()
    manifest = json.loads(files(prepared)["manifest.json"])
    node = manifest["nodes"]["model.ab_pipeline.dim_user"]
    assert node["relation_name"] == '"warehouse"."analytics"."dim_user"'


def test_lineage_reaches_the_raw_columns_even_the_optional_one(project_dir: Path) -> None:
    lineage = load_lineage(load_project(settings(project_dir)))
    raw = "source.ab_pipeline.raw_data.user_variant"
    assert lineage["model.ab_pipeline.dim_user_variant"]["assigned_at"] == ((raw, "assigned_at"),)
    assert lineage["snapshot.ab_pipeline.snapshot_user_variant"]["dbt_valid_from"] == ()


def test_what_is_up_to_date_is_not_made_again(project_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_module, "_prepare", pytest.fail)
    load_project(settings(project_dir))


@pytest.mark.parametrize("name", sorted(PREPARED))
def test_each_file_is_needed(name: str, project_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(project_module, "_prepare", lambda *arguments: calls.append(arguments))
    (project_dir / "target" / "local-warehouse" / name).unlink()
    load_project(settings(project_dir))
    assert len(calls) == 1


def test_an_edit_makes_it_again(project_dir: Path) -> None:
    edit(project_dir / "models" / "groups.yml", "  - {name: later, owner: {email: a@example.com}}\n")
    project = load_project(settings(project_dir))
    assert "group.ab_pipeline.later" in json.loads(project.manifest_path.read_bytes())["groups"]


def test_a_broken_project_says_what_dbt_says_and_leaves_the_old_manifest(project_dir: Path) -> None:
    before = files(project_dir)
    edit(project_dir / "models" / "dim" / "dim_user.sql", "\n-- {{ ref('no_such_model') }}")
    with pytest.raises(DbtParseError, match="no_such_model"):
        load_project(settings(project_dir))
    assert files(project_dir) == before


def test_sql_that_compiles_only_in_the_warehouse_costs_only_the_lineage(
    project_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit(project_dir / "models" / "dim" / "dim_user.sql", "\n-- {{ run_query('select 1 from analytics.t') }}")
    project = load_project(settings(project_dir))
    assert load_lineage(project) == {}
    assert "column lineage is incomplete" in caplog.text
    assert "dim_user" in caplog.text


def test_two_processes_may_prepare_at_once(project_dir: Path) -> None:
    shutil.rmtree(project_dir / "target")
    with ThreadPoolExecutor(2) as pool:
        # each starts a process of its own
        list(pool.map(load_project, [settings(project_dir)] * 2))
    assert set(files(project_dir)) == PREPARED
    load_lineage(load_project(settings(project_dir)))
