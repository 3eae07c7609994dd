"""What tells a template that it should be another."""

from __future__ import annotations

import pytest

from ab_pipeline.paths import PACKAGE, PROJECT_DIR
from ab_pipeline.warm_runs import fingerprint


def test_the_package_the_project_and_the_settings_file_count() -> None:
    files = fingerprint.files()
    for path in (PACKAGE / "definitions.py", PROJECT_DIR / "seeds" / "metrics.csv", PACKAGE.parent / ".env"):
        assert str(path) in files
    assert str(PROJECT_DIR / "models") in files, "a deleted file shows in its folder"
    assert fingerprint.differing(files, fingerprint.files()) == ""


def test_what_differs_is_named() -> None:
    assert fingerprint.differing({"a": "1", "b": "2"}, {"a": "1", "b": "3"}) == "b"
    assert fingerprint.differing({"a": "1", "b": "2", "c": "3", "d": "4"}, {}) == "a, b, c ..."


def test_a_setting_counts_wherever_it_is_set_and_the_shells_variables_do_not(
    settings_of_the_tests: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = fingerprint.inherited_environment()
    assert before["AB_PIPELINE_LOOKBACK_DAYS"]
    monkeypatch.setenv("AB_PIPELINE_LOOKBACK_DAYS", before["AB_PIPELINE_LOOKBACK_DAYS"])
    monkeypatch.setenv("OLDPWD", "elsewhere")
    assert fingerprint.differing(before, fingerprint.inherited_environment()) == ""
    monkeypatch.setenv("AB_PIPELINE_LOOKBACK_DAYS", "99")
    assert fingerprint.differing(before, fingerprint.inherited_environment()) == "AB_PIPELINE_LOOKBACK_DAYS"
