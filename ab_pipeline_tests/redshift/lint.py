"""`python -m ab_pipeline_tests.redshift.lint`: what Redshift would refuse of dbt's SQL and of the package's, no server
being asked.
"""

from __future__ import annotations

import ast
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import sqlparse

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline_tests.redshift.compiled import compiled_sql
from ab_pipeline_tests.redshift.matchers import unknown_functions
from ab_pipeline_tests.redshift.refusals import refusal_of
from ab_pipeline_tests.redshift.statement import Statement

_VERBS = (
    "select|insert into|delete from|update|create|drop|alter table|with|copy|truncate|vacuum|analyze|set|grant|merge"
)
_SQL = re.compile(rf"^\s*({_VERBS})\s+\S+\s+\S", re.IGNORECASE)
# sample data and a user's own table are DuckDB's; Dagster's storage is SQLite's or PostgreSQL's
_OF_OTHERS = {"sample_data", "user_table", "backup", "cleanup", "migration", "door", "doctor", "watch", "standby"}
# a module that imports it speaks to DuckDB and to nothing else
_DUCKDB = re.compile(r"^\s*(import duckdb|from duckdb|from ab_pipeline\.warehouse\.duckdb)\b", re.MULTILINE)


def problems(found: Mapping[str, str]) -> list[str]:
    """A sentence for each statement that Redshift would refuse; `found` has SQL by the place where it is."""
    sentences = []
    for place, sql in found.items():
        for text in sqlparse.split(sql):
            statement = Statement.parse(text)
            if refusal := refusal_of(statement):
                unknown = f" ({', '.join(sorted(unknown_functions(statement)))})" if refusal.is_of_names else ""
                sentences.append(f'{place}: {refusal.name}{unknown}; see "{refusal.page}" in Redshift\'s manual')
    return sentences


def package_sql(package: Path) -> dict[str, str]:
    """By file and line, the texts of a package that are SQL; what is put into them at run time is a name in them."""
    return {
        f"{path.relative_to(package.parent)}:{line}": sql
        for path in sorted(package.rglob("*.py"))
        if path.parent.name not in _OF_OTHERS and not _DUCKDB.search(path.read_text())
        for line, sql in _texts(ast.parse(path.read_text()))
        if _SQL.match(sql)
    }


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    docstrings = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} - {tree}
    for node in ast.walk(tree):
        if node in docstrings:
            continue
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_text(value) for value in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield node.lineno, node.value


def _text(value: ast.expr) -> str:
    return str(value.value) if isinstance(value, ast.Constant) else "put_in"


def all_sql(project: Path, package: Path) -> dict[str, str]:
    """Every statement of a dbt project, as a first build and as a refresh, and of a package."""
    found = package_sql(package)
    for is_built in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            how = "refresh" if is_built else "first build"
            compiled = compiled_sql(project, Path(folder), is_built=is_built)
            found |= {f"{name} ({how})": sql for name, sql in compiled.items()}
    return found


def main() -> int:
    """Print what is wrong; the exit code says whether anything is."""
    found = all_sql(PROJECT_ROOT / "dbt_project", PROJECT_ROOT / "ab_pipeline")
    sentences = problems(found)
    print(*sentences, f"Redshift: {len(sentences)} problems in {len(found)} statements", sep="\n")
    return bool(sentences)


if __name__ == "__main__":
    sys.exit(main())
