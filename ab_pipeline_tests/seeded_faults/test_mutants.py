"""Changes are drawn over the whole code, the same ones for the same seed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ab_pipeline_tests.seeded_faults.__main__ import Outcome
from ab_pipeline_tests.seeded_faults.mutants import Mutant, drawn, stages, survives
from ab_pipeline_tests.seeded_faults.sql_mutants import sql_mutants


def test_a_seed_draws_the_same_again_and_another_seed_others() -> None:
    first = drawn(7, 6, "ab_pipeline/automation")
    assert first == drawn(7, 6, "ab_pipeline/automation")
    assert first != drawn(8, 6, "ab_pipeline/automation")
    assert all(mutant.before != mutant.after for mutant in first)


def test_every_file_has_one_before_any_has_two() -> None:
    once = {mutant.file for mutant in drawn(1, 10, "dbt_project/models")}
    assert len(once) == 10
    often = Counter(mutant.file for mutant in drawn(1, 60, "dbt_project/models"))
    assert once < often.keys()
    assert max(often.values()) - min(often.values()) <= 1


def test_sql_is_changed_where_it_is_sql() -> None:
    text = "-- a = b\n{# x and y #}\nselect sum(a) from t where a = 1"
    assert set(sql_mutants(text)) == {
        text.replace("sum(", "max("),
        text.replace("where a = 1", "where a <> 1"),
        text.replace("a = 1", "a = 2"),
    }


def test_what_no_stage_notices_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path("ab_pipeline/automation/plan.py")
    (tmp_path / file.parent).mkdir(parents=True)
    (tmp_path / file).write_text("before")
    seen: list[str] = []

    def outcome(tree: Path, *tests: str) -> Outcome:
        seen.append((tree / file).read_text())
        return Outcome.PASSED if tests == stages(file)[0] else Outcome.FAILED

    monkeypatch.setattr("ab_pipeline_tests.seeded_faults.mutants.run_tests", outcome)
    assert not survives(tmp_path, Mutant(file, "before", "after"))
    assert seen == ["after", "after"]
    assert (tmp_path / file).read_text() == "before"
    monkeypatch.setattr("ab_pipeline_tests.seeded_faults.mutants.run_tests", lambda *_: Outcome.PASSED)
    assert survives(tmp_path, Mutant(file, "before", "after"))
