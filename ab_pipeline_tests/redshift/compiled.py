"""All SQL that dbt would send to Redshift, compiled without a server: models, snapshots, tests, hooks, the strategy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import agate
from dbt.adapters.contracts.relation import RelationType
from dbt.adapters.factory import reset_adapters
from dbt.adapters.redshift.impl import RedshiftAdapter
from dbt.adapters.redshift.relation import RedshiftRelation
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest

_NOBODY = {
    "AB_PIPELINE_TARGET": "redshift",
    "AB_PIPELINE_REDSHIFT_HOST": "nobody",
    "AB_PIPELINE_REDSHIFT_DATABASE": "nobody",
    "AB_PIPELINE_REDSHIFT_USER": "nobody",
    "AB_PIPELINE_REDSHIFT_PASSWORD": "nobody",
}
_STRATEGY = """
{{ config(
    materialized='incremental',
    meta={'also_replaces': 'user_id in (select user_id from changed_user)', 'keeps_changes': true},
) }}
{% do model.update({'compiled_code': 'select user_id from changed_user'}) %}
{% set columns = [api.Column('user_id', 'integer'), api.Column('datestamp', 'date')] %}
{% set arguments = {'target_relation': this, 'temp_relation': this, 'dest_columns': columns} %}
{% if execute %}{{ get_incremental_replace_window_sql(arguments) }}{% endif %}
"""


def compiled_sql(project: Path, folder: Path, *, is_built: bool) -> dict[str, str]:
    """By name, the SQL of a first build of a dbt project, or of a refresh of what is built; and what dbt asked for it.

    The project is copied into the folder, where each hook and the incremental strategy are a model more: dbt compiles
    nothing else.
    """
    copy = folder / "dbt_project"
    shutil.copytree(project, copy, ignore=shutil.ignore_patterns("target*", "logs"))
    asked: list[str] = []
    try:
        with patch.dict("os.environ", _NOBODY), _no_server(asked, is_built=is_built):
            _write_as_models(_dbt(copy, "parse").result, copy / "models")
            result: Any = _dbt(copy, "compile").result
    finally:
        reset_adapters()
    compiled = {run.node.name: run.node.compiled_code for run in result.results if run.node.compiled_code}
    return {**compiled, **{f"query {number} of the compilation": sql for number, sql in enumerate(asked)}}


@contextmanager
def _no_server(asked: list[str], *, is_built: bool) -> Iterator[None]:
    """Every relation that dbt asks for is there, or none. What it would query is one day, and no stale experiment."""

    def get_relation(adapter: object, database: str, schema: str, identifier: str) -> RedshiftRelation | None:
        return RedshiftRelation.create(database, schema, identifier, type=RelationType.Table) if is_built else None

    def execute(adapter: object, sql: str, *_: Any, **__: Any) -> tuple[str, agate.Table]:
        asked.append(sql)
        rows = [] if "experiment_id" in sql else [[date(2025, 1, 4)]]
        return ("SELECT", agate.Table(rows, ["newest"]))

    answers = {
        "get_relation": get_relation,
        "get_columns_in_relation": lambda *_: [],
        "execute": execute,
        "list_schemas": lambda *_: ["raw_data", "analytics"],
    }
    with ExitStack() as stack:
        for name, answer in answers.items():
            stack.enter_context(patch.object(RedshiftAdapter, name, answer))
        yield


def _dbt(folder: Path, command: str) -> dbtRunnerResult:
    where = ["--project-dir", str(folder), "--profiles-dir", str(folder), "--target", "redshift"]
    output = ["--target-path", str(folder / "target"), "--log-path", str(folder), "--log-level", "none"]
    result = dbtRunner().invoke([command, *where, *output, "--no-populate-cache", "--no-write-json"])
    if not result.success:
        messages = [str(run.message) for run in getattr(result.result, "results", []) if run.message]
        raise ValueError(f"dbt cannot {command} for Redshift: {result.exception or messages}")
    return result


def _write_as_models(manifest: Any, folder: Path) -> None:
    assert isinstance(manifest, Manifest)
    for node in manifest.nodes.values():
        config = "{{ config(materialized='" + node.config.materialized + "') }}"
        for place in ("pre_hook", "post_hook"):
            for number, hook in enumerate(getattr(node.config, place, [])):
                (folder / f"{node.name}_{place}_{number}.sql").write_text(f"{config}\n{hook.sql}")
    (folder / "replace_window.sql").write_text(_STRATEGY)
