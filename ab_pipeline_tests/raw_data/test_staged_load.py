"""`ab-pipeline load` on Redshift: through S3, in one transaction, with nothing left behind."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from unittest import mock

import boto3
import pytest
from click.testing import CliRunner

from ab_pipeline.cli import main
from ab_pipeline.raw_data.contract import USER_EVENT, USER_VARIANT
from ab_pipeline.raw_data.files import LoadError
from ab_pipeline.raw_data.load import LoadSummary
from ab_pipeline.raw_data.staged_load import load_through_s3
from ab_pipeline.settings import ENV_PREFIX, get_settings, load_settings
from ab_pipeline.warehouse.base import Row, WarehouseError
from ab_pipeline.warehouse.connect import warehouse_of
from ab_pipeline_tests.redshift.faults import DISK_FULL, SERIALISATION, Fault, Injection
from ab_pipeline_tests.redshift.server import Redshift

BUCKET = "staging"


@pytest.fixture(autouse=True)
def staging(redshift: Redshift, s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    monkeypatch.setenv(f"{ENV_PREFIX}S3_STAGING", f"s3://{BUCKET}/raw")
    monkeypatch.setenv(f"{ENV_PREFIX}REDSHIFT_COPY_ROLE", "arn:aws:iam::123456789012:role/copy")


def write(folder: Path, name: str, *lines: str) -> str:
    (folder / name).write_text("\n".join(lines) + "\n")
    return str(folder / name)


def load(*files: str, replace: bool = False) -> LoadSummary:
    return load_through_s3(load_settings(), USER_VARIANT, files, replace=replace)


def rows(columns: str = "user_id, variant_id, assigned_at") -> list[Row]:
    with warehouse_of(load_settings()).open() as session:
        return session.rows(f"select {columns} from raw_data.user_variant order by user_id")


def staged() -> list[str]:
    return [item["Key"] for item in boto3.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def test_every_value_arrives_as_it_was_checked(tmp_path: Path) -> None:
    one = write(tmp_path, "1.csv", "variant_id,user_id", '"a,""b"" \\N",1', "null,2", "höher,3")
    two = write(tmp_path, "2.csv", "user_id,variant_id,assigned_at", "4,~,2025-01-31T23:59:59.000001", "5, x ,")
    assert load(one, two).rows == 5
    assert rows() == [
        (1, 'a,"b" \\N', None),
        (2, "null", None),
        (3, "höher", None),
        (4, "~", dt.datetime.fromisoformat("2025-01-31 23:59:59.000001")),
        (5, " x ", None),
    ]
    assert staged() == []


def test_events_with_missing_numbers_arrive_as_nulls(tmp_path: Path) -> None:
    header = "user_id,datestamp,item_id,clicked,purchased,paidamount"
    load_through_s3(load_settings(), USER_EVENT, [write(tmp_path, "e.csv", header, "1,2025-01-02,7,,0,")])
    with warehouse_of(load_settings()).open() as session:
        assert session.rows("select * from raw_data.user_event") == [
            (1, dt.datetime.fromisoformat("2025-01-02"), 7, None, 0, None)
        ]


def test_the_copy_is_one_transaction_with_what_it_replaces(tmp_path: Path, redshift: Redshift) -> None:
    load(write(tmp_path, "1.csv", "user_id,variant_id", "1,a"))
    redshift.faults.inject(Injection(Fault.ERROR, pattern=r"^copy", error=DISK_FULL))
    with pytest.raises(WarehouseError, match="Disk Full"):
        load(write(tmp_path, "2.csv", "user_id,variant_id", "2,b"), replace=True)
    assert rows("user_id") == [(1,)]
    assert staged() == []


def test_a_conflict_is_met_with_another_try_of_the_whole(tmp_path: Path, redshift: Redshift) -> None:
    load(write(tmp_path, "1.csv", "user_id,variant_id", "1,a"))
    redshift.faults.inject(Injection(Fault.ERROR, pattern=r"^copy", error=SERIALISATION))
    load(write(tmp_path, "2.csv", "user_id,variant_id", "2,b"), replace=True)
    assert redshift.faults.has_struck
    assert rows("user_id") == [(2,)]


def test_an_optional_column_is_added_when_a_file_has_it(tmp_path: Path) -> None:
    with warehouse_of(load_settings()).open(read_only=False) as session:
        session.run("create schema raw_data")
        session.run("create table raw_data.user_variant (user_id integer, variant_id varchar(32))")
    load(write(tmp_path, "1.csv", "user_id,variant_id", "1,a"))
    load(write(tmp_path, "2.csv", "user_id,variant_id,assigned_at", "2,b,2025-01-01"))
    assert rows("user_id, assigned_at") == [(1, None), (2, dt.datetime.fromisoformat("2025-01-01"))]


def test_a_file_that_does_not_fit_is_named_and_nothing_is_staged(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"line 2, column user_id: found 'x', expected a whole number"):
        load(write(tmp_path, "1.csv", "user_id,variant_id", "x,a"))
    assert staged() == []


def test_a_bucket_that_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}S3_STAGING", "s3://nowhere/raw")
    with pytest.raises(LoadError, match=r"s3://nowhere/raw cannot be used for staging: .*bucket does not exist"):
        load(write(tmp_path, "1.csv", "user_id,variant_id", "1,a"))


def test_without_a_staging_place_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("S3_STAGING", "REDSHIFT_COPY_ROLE"):
        monkeypatch.delenv(f"{ENV_PREFIX}{name}")
    with pytest.raises(LoadError, match="set AB_PIPELINE_S3_STAGING and AB_PIPELINE_REDSHIFT_COPY_ROLE"):
        load("no.csv")


def test_the_sample_comes_the_same_way_and_gives_up_no_rows_unasked(tmp_path: Path) -> None:
    load(write(tmp_path, "1.csv", "user_id,variant_id", "1,mine"))
    sample = ["sample", "--users", "50", "--days", "3", "--events-per-day", "40", "--end-date", "2025-02-20"]
    with mock.patch.dict(os.environ):
        get_settings.cache_clear()
        refused, taken = (CliRunner().invoke(main, [*sample, *more]) for more in ([], ["--replace"]))
    get_settings.cache_clear()
    assert "raw_data.user_variant already has 1 rows" in refused.output
    assert taken.exit_code == 0, taken.output
    assert (1, "mine", None) not in rows()
    with warehouse_of(load_settings()).open() as session:
        [(events,)] = session.rows("select count(*) from raw_data.user_event")
    assert f"user_event {events:,}, user_variant {len(rows()):,}, " in taken.output
