"""`python -m ab_pipeline.dbt.prepare PROJECT TARGET FOLDER`: the process in which dbt reads the project.

It leaves manifest.json, partial_parse.msgpack and lineage.json in the folder. It never opens the warehouse: lineage
is of the SQL that dbt compiles for an empty DuckDB file, in which only the sources exist.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import duckdb

from ab_pipeline.dbt.api import DbtResult, run_dbt
from ab_pipeline.dbt.lineage import column_lineage

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_DUCKDB_PATH = "AB_PIPELINE_DUCKDB_PATH"
_COMPILE = ["compile", "--full-refresh", "--select", "resource_type:model", "resource_type:snapshot"]


def prepare(project_dir: Path, target: str, folder: Path) -> bool:
    """Whether dbt could read the project. If not, it has printed why."""
    parsed = _run(["parse"], project_dir, target, folder)
    if not parsed.is_good:
        return False
    manifest = cast("Manifest", parsed.results)

    # compiled SQL names the database, which is the stem of the file
    empty_warehouse = folder / "compile" / Path(os.environ[_DUCKDB_PATH]).name
    empty_warehouse.parent.mkdir()
    _create_sources(manifest, empty_warehouse)
    os.environ[_DUCKDB_PATH] = str(empty_warehouse)
    # a manifest holds the macros of one adapter, so only DuckDB's spares the second parse
    reused = manifest if target == "local" else None
    compiled = _run(_COMPILE, project_dir, "local", empty_warehouse.parent, reused)
    # SQL that compiles only with the warehouse's rows costs the lineage; dbt has printed why
    compiled_manifest = empty_warehouse.parent / "manifest.json"
    lineage = column_lineage(json.loads(compiled_manifest.read_bytes())) if compiled.is_good else {}
    (folder / "lineage.json").write_text(json.dumps(lineage))
    return True


def _create_sources(manifest: Manifest, path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        for source in manifest.sources.values():
            columns = [f'"{name}" {column.data_type or "varchar"}' for name, column in source.columns.items()]
            connection.execute(f'create schema if not exists "{source.schema}"')
            connection.execute(f'create table "{source.schema}"."{source.identifier}" ({", ".join(columns)})')


def _run(
    command: list[str], project_dir: Path, target: str, folder: Path, manifest: Manifest | None = None
) -> DbtResult:
    # a compilation that fails waits for no thread, and one that is left in DuckDB aborts when Python ends around it
    options = ["--quiet", "--single-threaded", "--project-dir", str(project_dir), "--profiles-dir", str(project_dir)]
    options += ["--target", target, "--target-path", str(folder), "--log-path", str(folder)]
    return run_dbt([*command, *options], manifest=manifest)


if __name__ == "__main__":
    sys.exit(not prepare(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
