"""Stories of removed runs, in a folder and in S3."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from ab_pipeline.maintenance.cleanup.archive import Archive
from ab_pipeline.maintenance.cleanup.errors import CleanupError
from ab_pipeline.maintenance.cleanup.story import Log, Story
from ab_pipeline.maintenance.object_store import open_store

pytestmark = pytest.mark.slow

DAY = date(2025, 1, 31)


def story(run_id: str, message: str = "done") -> Story:
    event = {"timestamp": 1738300000.5, "user_message": message, "dagster_event": {"event_type_value": "STEP_START"}}
    return Story(run_id, "refresh", "SUCCESS", 1.0, 2.0, 3.0, {"tags": {"a": "ü"}}, (event,), (Log(("s",), "out", ""),))


@pytest.fixture(params=["folder", "s3"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "archive")
    import boto3

    request.getfixturevalue("s3")
    boto3.client("s3").create_bucket(Bucket=tmp_path.name.replace("_", "-"))
    return f"s3://{tmp_path.name.replace('_', '-')}/archive"


def test_a_story_is_read_as_it_was_written(location: str) -> None:
    archive = Archive(open_store(location))
    archive.add(DAY, ["run-1", "run-2"], story)
    assert archive.find("run-2") == story("run-2")
    assert archive.find("run-2", DAY) == story("run-2")
    assert archive.find("run-2", date(2025, 2, 1)) is None
    assert archive.find("run-3") is None


def test_a_day_has_one_file_and_a_story_that_is_there_stays(location: str) -> None:
    archive = Archive(open_store(location))
    archive.add(DAY, ["run-1"], story)
    archive.add(DAY, ["run-1", "run-2"], lambda run_id: story(run_id, "half of it is gone"))
    [file] = archive.files()
    assert list(archive.stories(file)) == [story("run-1"), story("run-2", "half of it is gone")]
    assert archive.add(DAY, ["run-1"], story) == 0


def test_days_that_are_too_old_go(location: str) -> None:
    archive = Archive(open_store(location))
    for day in (date(2024, 12, 31), DAY):
        archive.add(day, [f"run of {day}"], story)
    assert archive.expire(date(2025, 1, 1)) == 1
    assert [file.day for file in archive.files()] == [DAY]


def test_a_bit_that_flipped_anywhere_is_noticed_and_nothing_is_overwritten(tmp_path: Path) -> None:
    archive = Archive(open_store(str(tmp_path)))
    archive.add(DAY, ["run-1"], story)
    [path] = tmp_path.iterdir()
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(CleanupError, match=r"2025-01-31-\w+\.jsonl\.gz is damaged"):
            archive.find("run-1")
    with pytest.raises(CleanupError, match="is damaged"):
        archive.add(DAY, ["run-2"], story)
    assert list(tmp_path.iterdir()) == [path]


def test_a_crash_between_the_next_file_and_the_last_leaves_both_and_loses_nothing(tmp_path: Path) -> None:
    archive = Archive(open_store(str(tmp_path)))
    archive.add(DAY, ["run-1"], story)
    [last] = tmp_path.iterdir()
    content = last.read_bytes()
    archive.add(DAY, ["run-2"], story)
    last.write_bytes(content)
    assert len(archive.files()) == 2
    assert archive.find("run-1")
    archive.add(DAY, ["run-1"], story)
    [file] = archive.files()
    assert [found.run_id for found in archive.stories(file)] == ["run-1", "run-2"]


def test_a_story_that_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    archive = Archive(open_store(str(tmp_path)))
    archive.add(DAY, ["run-1"], story)
    before = archive.files()

    def broken(run_id: str) -> Story:
        raise OSError("No space left on device")

    with pytest.raises(CleanupError, match="cannot be archived: No space left on device, below"):
        archive.add(DAY, ["run-2"], broken)
    assert archive.files() == before


def test_files_of_other_names_are_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "2025-01-31-notes.jsonl.gz").write_text("mine")
    archive = Archive(open_store(str(tmp_path)))
    assert archive.files() == []
    assert archive.expire(date.max) == 0


def test_a_story_tells_what_happened_and_why_it_failed() -> None:
    error = {"message": "RuntimeError: boom\n", "stack": ["  at 1\n"], "cause": {"message": "division by zero\n"}}
    failure = {
        "timestamp": 1738300000.5,
        "dagster_event": {
            "event_type_value": "STEP_FAILURE",
            "step_key": "facts",
            "message": "Execution of step failed.",
            "event_specific_data": {"error": error},
        },
    }
    failed = Story("run-1", "refresh", "FAILURE", 1.0, None, 3.0, {}, (failure,), ())
    assert Story.from_line(json.dumps(json.loads(failed.to_line()))) == failed
    assert list(failed.lines()) == [
        "2025-01-31 05:06:40 STEP_FAILURE facts Execution of step failed.",
        "    RuntimeError: boom",
        "      at 1",
        "    caused by",
        "    division by zero",
    ]
