"""The linter finds, without a server, what the stand-in refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ab_pipeline.paths import PROJECT_DIR, PROJECT_ROOT
from ab_pipeline_tests.redshift.compiled import compiled_sql
from ab_pipeline_tests.redshift.lint import package_sql, problems
from ab_pipeline_tests.redshift.refusals import REFUSALS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[False, True], ids=["first_build", "refresh"])
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return compiled_sql(PROJECT_DIR, tmp_path_factory.mktemp("redshift"), is_built=request.param)


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


def test_redshift_takes_all_of_it(compiled: dict[str, str]) -> None:
    assert problems(compiled) == []


def test_redshift_takes_every_text_of_the_package_that_is_sql() -> None:
    found = package_sql(PROJECT_ROOT / "ab_pipeline")
    files = {place.split(":")[0] for place in found}
    assert files >= {"ab_pipeline/automation/signatures.py", "ab_pipeline/rollback.py", "ab_pipeline/summary.py"}
    assert problems(found) == []


def test_a_model_that_breaks_a_row_is_named_with_the_row(tmp_path: Path) -> None:
    """Each row once: a project of nothing but models that break one."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT_DIR, project, ignore=shutil.ignore_patterns("target*", "logs", "seeds", "tests"))
    for folder in ("models", "snapshots"):
        shutil.rmtree(project / folder)
    (project / "models").mkdir()
    for number, refusal in enumerate(REFUSALS):
        (project / "models" / f"row_{number}.sql").write_text(refusal.example)
    found = problems(compiled_sql(project, tmp_path / "compiled", is_built=False))
    for number, refusal in enumerate(REFUSALS):
        assert any(sentence.startswith(f"row_{number}: ") for sentence in found), refusal.name


def test_a_module_that_breaks_a_row_is_named_with_the_line(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "local.py").write_text('import duckdb\nSQL = "select distinct on (a) a from t"\n')
    (package / "both.py").write_text('TABLE = "t"\n\nSQL = f"select distinct on (a) a from {TABLE}"\n')
    assert problems(package_sql(package)) == [
        'package/both.py:3: DISTINCT ON; see "SELECT list" in Redshift\'s manual',
    ]
