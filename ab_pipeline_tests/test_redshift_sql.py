"""All SQL of the project, as dbt compiles it for Redshift, is SQL that Redshift takes. No server is asked."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import agate
import pytest
import sqlglot
from dbt.adapters.contracts.relation import RelationType
from dbt.adapters.factory import reset_adapters
from dbt.adapters.redshift.impl import RedshiftAdapter
from dbt.adapters.redshift.relation import RedshiftRelation
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from sqlglot import exp

from ab_pipeline.dbt.project import PROJECT_DIR
from ab_pipeline.settings import ENV_PREFIX

# a name is added here once it was found in Redshift's manual
REDSHIFT_FUNCTIONS = {
    "cast",
    "coalesce",
    "count",
    "decimal",
    "farmfingerprint64",
    "max",
    "min",
    "quote_literal",
    "row_number",
    "sum",
    "varchar",
}
SQL_WORDS = {"all", "and", "as", "by", "distinct", "except", "exists", "from", "in", "not", "on", "or", "over", "then"}
SQL_WORDS |= {"select", "using", "values", "when", "where", "distkey", "sortkey"}
REFUSED_BY_REDSHIFT = (exp.Filter, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Lateral, exp.Array, exp.OnConflict, exp.Index)
STRATEGY = """
{{ config(
    materialized='incremental',
    meta={'also_replaces': 'user_id in (select user_id from changed_user)', 'keeps_changes': true},
) }}
{% set columns = [api.Column('user_id', 'integer'), api.Column('datestamp', 'date')] %}
{% set arguments = {'target_relation': this, 'temp_relation': this, 'dest_columns': columns} %}
{% if execute %}{{ get_incremental_replace_window_sql(arguments) }}{% endif %}
"""


@pytest.fixture(scope="module", params=[False, True], ids=["first_build", "refresh"])
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The SQL of every model, snapshot, data test and hook, and of the incremental strategy, by name."""
    folder = tmp_path_factory.mktemp("redshift") / "dbt_project"
    shutil.copytree(PROJECT_DIR, folder, ignore=shutil.ignore_patterns("target*", "logs"))
    with pytest.MonkeyPatch.context() as environment, no_server(is_built=request.param):
        for name in ("HOST", "DATABASE", "USER", "PASSWORD"):
            environment.setenv(f"{ENV_PREFIX}REDSHIFT_{name}", "nobody")
        write_hooks_as_models(dbt(folder, "parse").result, folder / "models")
        result: Any = dbt(folder, "compile").result
        yield {run.node.name: run.node.compiled_code for run in result.results if run.node.compiled_code}
    reset_adapters()


@contextmanager
def no_server(*, is_built: bool) -> Iterator[None]:
    """Every relation that dbt asks for is there, or none. What it would query is one day."""

    def get_relation(adapter: object, database: str, schema: str, identifier: str) -> RedshiftRelation | None:
        return RedshiftRelation.create(database, schema, identifier, type=RelationType.Table) if is_built else None

    newest_day = ("SELECT", agate.Table([[date(2025, 1, 4)]], ["newest"]))
    answers = {
        "get_relation": get_relation,
        "get_columns_in_relation": lambda *_: [],
        "execute": lambda *_, **__: newest_day,
        "list_schemas": lambda *_: ["raw_data", "analytics"],
    }
    with ExitStack() as stack:
        for name, answer in answers.items():
            stack.enter_context(patch.object(RedshiftAdapter, name, answer))
        yield


def dbt(folder: Path, command: str) -> dbtRunnerResult:
    where = ["--project-dir", str(folder), "--profiles-dir", str(folder), "--target", "redshift"]
    output = ["--target-path", str(folder / "target"), "--log-path", str(folder), "--log-level", "none"]
    result = dbtRunner().invoke([command, *where, *output, "--no-populate-cache"])
    assert result.success, str(result.exception) or [run.message for run in getattr(result.result, "results", [])]
    return result


def write_hooks_as_models(manifest: Any, folder: Path) -> None:
    """dbt compiles models only."""
    assert isinstance(manifest, Manifest)
    for node in manifest.nodes.values():
        config = "{{ config(materialized='" + node.config.materialized + "') }}"
        for place in ("pre_hook", "post_hook"):
            for number, hook in enumerate(getattr(node.config, place, [])):
                (folder / f"{node.name}_{place}_{number}.sql").write_text(f"{config}\n{hook.sql}")
    (folder / "replace_window.sql").write_text(STRATEGY)


def test_everything_that_writes_is_compiled(compiled: dict[str, str]) -> None:
    assert compiled.keys() >= {
        "dim_user",
        "fact_user_event",
        "analytics_variant_user_daily",
        "fact_user_event_pre_hook_0",
        "analytics_variant_user_daily_pre_hook_0",
        "analytics_variant_user_daily_post_hook_0",
        "replace_window",
    }


def test_a_refresh_rewrites_changed_users_and_a_first_build_does_not(
    compiled: dict[str, str], request: pytest.FixtureRequest
) -> None:
    is_refresh = "refresh" in request.node.callspec.id
    assert ("changed_user" in compiled["analytics_variant_user_daily"]) == is_refresh
    assert ("2025-01-01" in compiled["fact_user_event"]) == is_refresh


def test_redshift_can_read_every_statement(compiled: dict[str, str]) -> None:
    for name, sql in compiled.items():
        for statement in sqlglot.parse(sql, dialect="redshift"):
            assert not isinstance(statement, exp.Command), (name, statement)
            refused = list(statement.find_all(*REFUSED_BY_REDSHIFT)) if statement else []
            assert not refused, (name, refused)


def test_every_function_is_one_of_redshift(compiled: dict[str, str]) -> None:
    for name, sql in compiled.items():
        code = re.sub(r"'[^']*'|--.*|/\*.*?\*/", "", sql)
        # `with name (a, b)` and `insert into name (a, b)` call nothing
        code = re.sub(r'insert into [\w".]+|create (temporary )?table (if not exists )?[\w".]+', "", code)
        called = {word.lower() for word in re.findall(r'(?<![\w".])([a-z_]\w*)\s*\(', code, re.IGNORECASE)}
        assert called - SQL_WORDS <= REDSHIFT_FUNCTIONS, name
