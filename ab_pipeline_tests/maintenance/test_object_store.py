"""An object, and a published folder, is there whole or not at all; in a folder and on S3 alike."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from ab_pipeline.maintenance.folder_store import FolderStore
from ab_pipeline.maintenance.object_store import SEAL, ObjectMissingError, ObjectStore, StoreError, open_store
from ab_pipeline.maintenance.s3_store import S3Store
from ab_pipeline_tests.maintenance.faulty_s3 import FaultyS3, serve


@pytest.fixture
def bucket(s3: str) -> str:
    name = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return open_store(str(tmp_path / "store"))
    return open_store(f"s3://{request.getfixturevalue('bucket')}/team/backups")


def _names(store: ObjectStore, folder: str = "") -> list[str]:
    return [found.name for found in store.list(folder)]


def test_what_is_put_is_got_listed_and_deleted(store: ObjectStore, tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.write_bytes(b"\x00" * 9_000_000)
    store.put_file("2025/large", original)
    store.put_bytes("2025/small", b"a")
    store.put_bytes("2025/small", b"ab")
    store.get_file("2025/large", copy)
    assert copy.read_bytes() == original.read_bytes()
    assert store.get_bytes("2025/small") == b"ab"
    assert [(found.name, found.size) for found in store.list()] == [("2025/large", 9_000_000), ("2025/small", 2)]
    assert abs(store.list()[0].modified_at - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
    store.delete("2025/large")
    assert not store.exists("2025/large")
    assert store.exists("2025/small")


def test_a_folder_is_listed_without_those_that_begin_alike(store: ObjectStore) -> None:
    store.put_bytes("2025/a", b"")
    store.put_bytes("2025-old/b", b"")
    assert _names(store, "2025") == ["2025/a"]
    assert _names(store, "2024") == []


def test_what_is_missing_is_said_to_be_and_may_be_deleted(store: ObjectStore, tmp_path: Path) -> None:
    assert not store.exists("nothing")
    store.delete("nothing")
    for get in (lambda: store.get_bytes("nothing"), lambda: store.get_file("nothing", tmp_path / "copy")):
        with pytest.raises(ObjectMissingError, match="nothing: there is no such"):
            get()


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../outside", "a/../../outside", "a//b"])
def test_no_name_leads_outside(store: ObjectStore, name: str) -> None:
    with pytest.raises(StoreError, match="no name of an object"):
        store.put_bytes(name, b"")


def test_a_folder_is_published_whole(store: ObjectStore) -> None:
    with store.publishing("monday") as folder:
        (folder / SEAL).write_text("{}")
        (folder / "runs").mkdir()
        (folder / "runs" / "a.db").write_bytes(b"a")
        assert _names(store) == []
    assert _names(store) == [f"monday/{SEAL}", "monday/runs/a.db"]
    with pytest.raises(StoreError, match="monday exists already"), store.publishing("monday"):
        pass


def test_a_folder_that_fails_to_be_filled_is_not_published(store: ObjectStore) -> None:
    with pytest.raises(FileNotFoundError), store.publishing("monday") as folder:
        (folder / SEAL).write_text((folder / "never-written").read_text())
    assert _names(store) == []
    with store.publishing("monday") as folder:
        (folder / SEAL).write_text("{}")
    assert _names(store) == [f"monday/{SEAL}"]


def test_a_folder_is_deleted_with_everything_below(store: ObjectStore) -> None:
    for name in (f"monday/{SEAL}", "monday/a", "monday/runs/b", "monday-2/c"):
        store.put_bytes(name, b"")
    store.delete_folder("monday")
    store.delete_folder("never-there")
    assert _names(store) == ["monday-2/c"]


def test_leftovers_of_killed_processes_go_and_nothing_else(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.put_bytes("archive/day", b"")
    killed = tmp_path / ".tuesday.0123abcd.partial"
    killed.mkdir()
    (killed / "runs.db").write_bytes(b"half")
    (tmp_path / "archive" / ".day.0123abcd.partial").write_bytes(b"half")
    with store.publishing("monday") as going:
        assert store.delete_leftovers() == [".tuesday.0123abcd.partial", "archive/.day.0123abcd.partial"]
        (going / SEAL).write_text("{}")
    assert _names(store) == ["archive/day", f"monday/{SEAL}"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "monday"]


def test_an_upload_is_a_leftover_after_a_day(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = S3Store.at(f"s3://{bucket}")
    store.put_bytes("archive/day", b"no folder that was published")
    store.put_bytes("tuesday/.partial", b"")
    store.put_bytes("tuesday/runs.db", b"whole, but the rest never came")
    assert store.delete_leftovers() == []
    # moto says of every upload that it began in 2010
    boto3.client("s3").create_multipart_upload(Bucket=bucket, Key="wednesday/runs.db")
    monkeypatch.setattr("ab_pipeline.maintenance.s3_store._ABANDONED_AFTER", dt.timedelta(seconds=-5))
    assert store.delete_leftovers() == ["wednesday/runs.db", "tuesday"]
    assert store.delete_leftovers() == []
    assert _names(store) == ["archive/day"]


def test_a_location_that_is_no_store_is_refused() -> None:
    for location in ("gs://bucket/prefix", "s3://", "s3://Bucket_/x", "s3://bucket//x"):
        with pytest.raises(StoreError, match="s3://bucket/prefix"):
            open_store(location)


def test_a_missing_bucket_is_named(s3: str, tmp_path: Path) -> None:
    store = S3Store.at("s3://not-here/backups")
    (tmp_path / "file").touch()
    for act in (store.list, lambda: store.exists("a"), lambda: store.put_file("a", tmp_path / "file")):
        with pytest.raises(StoreError, match=r"s3://not-here/backups.*no such bucket: create it"):
            act()


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch, bucket: str) -> Iterator[FaultyS3]:
    application = FaultyS3()
    with serve(application) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
        yield application


def test_a_refusal_says_which_permissions_are_needed(faulty: FaultyS3, bucket: str, tmp_path: Path) -> None:
    store = S3Store.at(f"s3://{bucket}/backups")
    (tmp_path / "file").touch()
    faulty.denied_methods = frozenset({"PUT", "HEAD"})
    for act in (lambda: store.put_bytes("a", b""), lambda: store.put_file("a", tmp_path / "file")):
        with pytest.raises(StoreError, match=r"backups/a: these credentials may not do this: allow s3:ListBucket"):
            act()
    with pytest.raises(StoreError, match="may not do this"):
        store.exists("a")


def test_a_wrong_clock_is_named(faulty: FaultyS3, bucket: str) -> None:
    store = S3Store.at(f"s3://{bucket}/backups")
    faulty.clock_ahead = dt.timedelta(minutes=20)
    with pytest.raises(StoreError, match="this machine's clock is wrong"):
        store.put_bytes("a", b"")
    faulty.clock_ahead = dt.timedelta(minutes=10)
    store.put_bytes("a", b"")


def test_of_an_upload_that_breaks_off_nothing_is_seen(faulty: FaultyS3, bucket: str) -> None:
    store = S3Store.at(f"s3://{bucket}/backups")

    def publish(large: bytes) -> None:
        with store.publishing("monday") as folder:
            (folder / SEAL).write_text("{}")
            (folder / "a").write_bytes(b"")
            (folder / "b").write_bytes(large)

    faulty.dropped_after = 50_000
    with pytest.raises(StoreError, match="backups/monday/b"):
        publish(bytes(100_000))
    assert _names(store) == ["monday/a"]
    faulty.dropped_after = None
    publish(bytes(100_000))
    assert _names(store) == ["monday/a", "monday/b", f"monday/{SEAL}"]
