"""`ab-pipeline diff` and `ab-pipeline rollback` as a person meets them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from ab_pipeline.cli import main
from ab_pipeline.commands import rollback as commands
from ab_pipeline.settings import Settings
from ab_pipeline_tests.two_builds import JAN_1, JAN_2, daily_row, rows_of, write_two_builds

BEFORE = [daily_row(1, JAN_1, revenue=1000), daily_row(1, JAN_2)]
AFTER = [daily_row(1, JAN_1, revenue=2500), daily_row(2, JAN_1, None, age="[b]18[/b]"), daily_row(1, JAN_2)]
BUILD = "build 5f3c2a10-0000-4000-8000-000000000002 of 2025-01-09 08:00:00 UTC"


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "warehouse.duckdb"
    monkeypatch.setattr(commands, "get_settings", lambda: Settings(target="local", duckdb_path=path))
    with duckdb.connect(path) as connection:
        write_two_builds(connection, BEFORE, AFTER)
    return path


def run(*arguments: str, answer: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments, input=answer)
    return result.exit_code, result.output


def words(output: str) -> list[list[str]]:
    """The cells of the tables, line by line."""
    lines = [line.strip("│┃\n ").replace("┃", "│").split("│") for line in output.splitlines() if {"│", "┃"} & set(line)]
    return [[cell.strip() for cell in line] for line in lines]


def daily_rows(path: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(path) as connection:
        return rows_of(connection, "analytics.analytics_variant_user_daily")


def test_diff_tells_the_build_the_rows_and_the_totals_of_each_day() -> None:
    code, output = run("diff", "2025-01-01", "2025-01-02")
    assert code == 0
    assert f"2025-01-01: {BUILD}, rows: 1 added, 0 removed, 1 changed" in output
    assert words(output) == [
        ["users", "impressions", "clicks", "purchases", "revenue"],
        ["before", "1", "1", "1", "1", "1,000"],
        ["after", "2", "2", "2", "2", "2,600"],
    ]
    assert "2025-01-02: no logged change" in output


def test_diff_shows_as_many_changed_rows_as_it_is_asked_for() -> None:
    tables = words(run("diff", "2025-01-01", "--rows", "2")[1])
    assert [row[:2] + row[-1:] for row in tables[-2:]] == [["-", "control", "1000"], ["+", "control", "2500"]]
    assert words(run("diff", "2025-01-01", "--rows", "9")[1])[-1][:5] == ["+", "", "2", "2025-01-01", "[b]18[/b]"]


def test_rollback_shows_the_diff_asks_and_does_it(path: Path) -> None:
    code, output = run("rollback", "2025-01-01", "2025-01-02", answer="y\n")
    assert code == 0
    assert f"2025-01-01: {BUILD}, rows: 1 added" in output
    assert output.endswith("rolled back: 2025-01-01\nVerdicts and pages follow with the next refresh.\n")
    assert daily_rows(path) == BEFORE
    assert f"2025-01-01: {BUILD} was rolled back at 20" in run("diff", "2025-01-01")[1]


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_without_a_yes_nothing_is_written(path: Path, answer: str) -> None:
    code, output = run("rollback", "2025-01-01", answer=answer)
    assert code == 1
    assert "Aborted!" in output
    assert sorted(map(str, daily_rows(path))) == sorted(map(str, AFTER))


def test_yes_skips_the_question(path: Path) -> None:
    code, output = run("rollback", "2025-01-01", "--yes")
    assert code == 0
    assert "?" not in output
    assert daily_rows(path) == BEFORE


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["diff", "2025-01-05"], "2025-01-05 is not built"),
        (["diff", "2025-01-02", "2025-01-01"], "the last day, 2025-01-01, is before the first, 2025-01-02"),
        (["rollback", "2025-01-05", "--yes"], "2025-01-05 is not built"),
        (["rollback", "2025-01-02"], "2025-01-02 has no logged change to roll back"),
    ],
)
def test_a_refusal_is_one_sentence(path: Path, arguments: list[str], sentence: str) -> None:
    code, output = run(*arguments)
    assert (code, output.splitlines()[-1]) == (1, f"Error: {sentence}")
    assert sorted(map(str, daily_rows(path))) == sorted(map(str, AFTER))


@pytest.mark.parametrize("command", [["diff"], ["rollback", "--yes"]])
def test_a_warehouse_that_is_missing_is_not_created(path: Path, command: list[str]) -> None:
    path.unlink()
    code, output = run(*command, "2025-01-01")
    assert (code, output.count("\n")) == (1, 1)
    assert output.startswith(f"Error: {path} does not exist yet.")
    assert not path.exists()


@pytest.mark.parametrize("command", [["diff"], ["rollback", "--yes"]])
def test_a_warehouse_that_stays_in_use_is_named(
    path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ab_pipeline.warehouse.connect._PATIENCE", 0.2)
    hold = f"import duckdb, time; c = duckdb.connect({str(path)!r}); print('open', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        try:
            code, output = run(*command, "2025-01-01")
        finally:
            holder.kill()
    assert (code, output.count("\n")) == (1, 1)
    assert output.startswith(f"Error: {path} is in use by another process")
