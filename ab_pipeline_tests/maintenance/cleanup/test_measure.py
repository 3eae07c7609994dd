"""What is measured beside Dagster's storage is where the settings say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ab_pipeline.maintenance.cleanup.inventory import Place, full_on
from ab_pipeline.maintenance.cleanup.measure import Places
from ab_pipeline.maintenance.cleanup.show import problem_lines, store_rows
from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.settings import ENV_PREFIX, load_settings

NOW = datetime.now(UTC)


def test_reports_backups_and_the_archive_are_where_the_settings_say(
    settings_of_the_tests: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}REPORTS_LOCATION", str(tmp_path / "pages"))
    monkeypatch.setenv(f"{ENV_PREFIX}BACKUP_LOCATION", str(tmp_path / "elsewhere"))
    places = Places.of(load_settings())
    assert places.reports == tmp_path / "pages"
    assert places.others == {
        "backups": str(tmp_path / "elsewhere"),
        "archive": str(PROJECT_ROOT / "data" / "archive"),
    }


def test_what_is_in_s3_is_counted_and_fills_no_disk(tmp_path: Path, s3: str) -> None:
    import boto3

    client = boto3.client("s3")
    client.create_bucket(Bucket="kept")
    for name in ("backups/one/manifest.json", "backups/one/dagster.tar.gz", "archive/2025-01-01.jsonl.gz"):
        client.put_object(Bucket="kept", Key=name, Body=b"1234567")
    places = at(tmp_path, backups="s3://kept/backups", archive="s3://kept/archive")
    backups, archive = list(places.stores(NOW - timedelta(days=7)))[-2:]
    assert (backups.place, backups.bytes, backups.rows, backups.bytes_a_day) == (Place.S3, 14, 2, 2)
    assert (archive.place, archive.bytes, archive.is_cleaned) == (Place.S3, 7, False)
    assert [store.bytes_a_day for store in places.stores(NOW + timedelta(days=1))][-2:] == [0, 0]
    assert full_on((backups, archive), 1, NOW.date()) is None


def test_a_bucket_that_cannot_be_read_is_shown_with_the_reason_and_stops_nothing(tmp_path: Path, s3: str) -> None:
    stores = list(at(tmp_path, backups="s3://missing/backups").stores(NOW))
    assert [row[:3] for row in store_rows(stores)] == [("backups", "S3", "unknown")]
    [line] = problem_lines(stores)
    assert line.startswith("backups: s3://missing/backups: there is no such bucket")


def at(folder: Path, **others: str) -> Places:
    return Places(
        folder / "alerts", folder / "reports", folder / "dbt", folder / "dbt" / "local", folder / "logs", others
    )
