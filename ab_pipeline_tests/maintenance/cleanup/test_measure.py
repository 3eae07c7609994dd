"""What is measured beside Dagster's storage is where the settings say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ab_pipeline.maintenance.cleanup.measure import Places
from ab_pipeline.settings import ENV_PREFIX, PROJECT_ROOT, load_settings


def test_reports_backups_and_the_archive_are_where_the_settings_say(
    settings_of_the_tests: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}REPORTS_PATH", str(tmp_path / "pages"))
    monkeypatch.setenv(f"{ENV_PREFIX}BACKUP_LOCATION", str(tmp_path / "elsewhere"))
    places = Places.of(load_settings())
    assert places.reports == tmp_path / "pages"
    assert places.others == {"backups": tmp_path / "elsewhere", "archive": PROJECT_ROOT / "data" / "archive"}


def test_what_is_in_s3_fills_no_disk(settings_of_the_tests: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}BACKUP_LOCATION", "s3://bucket/backups")
    monkeypatch.setenv(f"{ENV_PREFIX}ARCHIVE_LOCATION", "s3://bucket/archive")
    assert Places.of(load_settings()).others == {}
