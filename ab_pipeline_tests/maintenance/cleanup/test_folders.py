"""Files that runs leave, and files that are somebody else's."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from dagster import DagsterInstance

from ab_pipeline.maintenance.cleanup.folders import RunFolders, Tree, logs_in_s3, remove_older, remove_unused
from ab_pipeline_tests.maintenance.cleanup.history import instance_at

NOW = datetime.now(UTC)
OLD = NOW - timedelta(days=30)


def write(path: Path, days_ago: float = 0, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    at = (NOW - timedelta(days=days_ago)).timestamp()
    os.utime(path, (at, at))
    return path


def test_only_folders_named_as_run_ids_are_of_runs(tmp_path: Path) -> None:
    run_id = str(uuid4())
    with instance_at(tmp_path) as instance:
        storage = Path(instance.storage_directory())
        write(storage / run_id / "compute_logs" / "a.out", 40, "printed")
        value = write(storage / "fact_user_event" / "2025-01-01", 40)
        folders = RunFolders(instance)
        assert folders.trees(OLD) == {run_id: Tree(bytes=7, files=1)}
        folders.remove(run_id)
        assert folders.trees(OLD) == {}
        assert value.exists()
        assert not (storage / run_id).exists()


def test_old_files_go_with_the_folders_that_they_leave_empty(tmp_path: Path) -> None:
    old, young = write(tmp_path / "a" / "old.html", 31, "12345"), write(tmp_path / "b" / "young.html", 29)
    assert remove_older(tmp_path, OLD) == 5
    assert not old.parent.exists()
    assert young.exists()
    assert remove_older(tmp_path / "nowhere", OLD) == 0


def test_a_folder_goes_when_nothing_in_it_was_written_for_long(tmp_path: Path) -> None:
    write(tmp_path / "unused" / "manifest.json", 31)
    write(tmp_path / "used" / "manifest.json", 31)
    write(tmp_path / "used" / "run" / "model.sql", 1)
    assert remove_unused(tmp_path.iterdir(), OLD) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["used"]


def test_growth_is_what_was_written_since(tmp_path: Path) -> None:
    write(tmp_path / "old", 8, "1234")
    write(tmp_path / "new", 1, "1234567")
    store = Tree.of(tmp_path, NOW - timedelta(days=7)).store("files")
    assert (store.bytes, store.rows) == (11, 2)
    assert (store.bytes_a_day, store.rows_a_day) == (1, 1 / 7)


def test_printed_lines_in_s3_are_counted_and_go_with_their_run(s3: str, tmp_path: Path) -> None:
    import boto3

    client = boto3.client("s3")
    client.create_bucket(Bucket="logs")
    run_id = str(uuid4())
    for name in (f"{run_id}/compute_logs/a.out", f"{run_id}/compute_logs/a.err", "another/compute_logs/a.out"):
        client.put_object(Bucket="logs", Key=f"dagster/storage/{name}", Body=b"123")
    with instance_at(tmp_path, compute_logs_bucket="logs") as instance:
        assert logs_in_s3(instance, OLD) == Tree(9, 3, 9, 3)
        RunFolders(instance).remove(run_id)
        assert logs_in_s3(instance, OLD) == Tree(3, 1, 3, 1)


def test_printed_lines_on_disk_are_not_in_s3() -> None:
    with DagsterInstance.ephemeral() as instance:
        assert logs_in_s3(instance, OLD) is None
