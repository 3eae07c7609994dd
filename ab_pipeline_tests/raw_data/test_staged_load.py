"""`ab-pipeline load` on Redshift: through S3, in one transaction, with nothing left behind."""

from __future__ import annotations

import datetime as dt
import os
from decimal import Decimal
from pathlib import Path
from unittest import mock

import boto3
import pytest
from click.testing import CliRunner

from ab_pipeline.cli import main
from ab_pipeline.raw_data.contract import USER_EVENT, USER_VARIANT
from ab_pipeline.raw_data.errors import LoadError
from ab_pipeline.raw_data.load import LoadOrder, LoadSummary, Replaced
from ab_pipeline.raw_data.staged_load import load_through_s3, undo_through_s3
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
    order = LoadOrder(Replaced.DAYS if replace else Replaced.NOTHING)
    return load_through_s3(load_settings(), USER_VARIANT, files, order)


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
    with pytest.raises(LoadError, match=r"line 2, column assigned_at: found 'x', expected a timestamp"):
        load(write(tmp_path, "1.csv", "user_id,variant_id,assigned_at", "1,a,x"))
    assert staged() == []


EVENT_HEADER = "user_id,datestamp,item_id,clicked,purchased,paidamount"


def events(*orders: tuple[str, LoadOrder]) -> list[LoadSummary]:
    return [load_through_s3(load_settings(), USER_EVENT, [file], order) for file, order in orders]


def event_rows(columns: str) -> list[Row]:
    with warehouse_of(load_settings()).open() as session:
        return session.rows(f"select {columns} from raw_data.user_event order by datestamp, user_id")


def test_the_table_has_the_types_of_its_first_file_and_a_wider_one_needs_to_be_asked_for(tmp_path: Path) -> None:
    first = write(tmp_path, "1.csv", EVENT_HEADER, "7,2025-01-02,5,1,1,12")
    wider = write(tmp_path, "2.csv", EVENT_HEADER, f"{'u' * 40},2025-01-03,5,TRUE,no,12.99")
    events((first, LoadOrder()))
    with pytest.raises(LoadError, match=r"line 2, column user_id: .*--widen makes it varchar\(64\)"):
        events((wider, LoadOrder()))
    events((wider, LoadOrder(widen=True)))
    assert event_rows("user_id, clicked, purchased, paidamount") == [
        ("7", 1, 1, Decimal("12.00")),
        ("u" * 40, 1, 0, Decimal("12.99")),
    ]


def test_a_content_counts_once_and_replace_gives_up_the_files_days(tmp_path: Path) -> None:
    two_days = write(tmp_path, "1.csv", EVENT_HEADER, "1,2025-01-02,5,1,1,1", "1,2025-01-03,5,1,1,1")
    one_day = write(tmp_path, "2.csv", EVENT_HEADER, "2,2025-01-03,5,1,1,1", "3,2025-01-03 23:59:59,5,1,1,1")
    events((two_days, LoadOrder()))
    with pytest.raises(LoadError, match=r"was loaded into raw_data\.user_event at"):
        events((two_days, LoadOrder()))
    [summary] = events((one_day, LoadOrder(Replaced.DAYS)))
    assert (summary.rows, summary.days) == (2, (dt.date(2025, 1, 3),))
    assert [user for (user,) in event_rows("user_id")] == [1, 2, 3]


def test_a_files_rows_are_taken_back_once_or_not_at_all(tmp_path: Path) -> None:
    settings, order = load_settings(), LoadOrder()
    file = write(tmp_path, "1.csv", EVENT_HEADER, *["1,2025-01-02,5,,1,1"] * 2, "2,2025-01-03,5,1,1,1")
    other = write(tmp_path, "2.csv", EVENT_HEADER, "1,2025-01-02,5,,1,1", "9,2025-01-02,5,1,1,1")
    events((file, order), (other, order))
    assert undo_through_s3(settings, USER_EVENT, [file], order).rows == 3
    assert event_rows("user_id, clicked") == [(1, None), (9, 1)]
    with pytest.raises(LoadError, match="is not loaded into"):
        undo_through_s3(settings, USER_EVENT, [file], order)
    with warehouse_of(settings).open(read_only=False) as session:
        session.run("delete from raw_data.user_event where user_id = 9")
    with pytest.raises(LoadError, match=r"its row with user_id 9, .* is gone from raw_data\.user_event"):
        undo_through_s3(settings, USER_EVENT, [other], order)
    assert event_rows("user_id") == [(1,)]
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
