"""The archive: one file a day for the runs that ended on it, in a folder or in S3.

A file is gzip of a JSON line a run, and its name holds the SHA-256 of its bytes. So a file is whole or shows that it is
not, and a crash between writing the next and deleting the last leaves two, of which each may be read.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ab_pipeline.maintenance.cleanup.errors import CleanupError
from ab_pipeline.maintenance.cleanup.story import Story, id_in
from ab_pipeline.maintenance.object_store import ObjectStore, open_store
from ab_pipeline.settings import Settings

_NAME = re.compile(r"^(?P<day>\d{4}-\d\d-\d\d)-(?P<sha256>[0-9a-f]{64})\.jsonl\.gz$")


@dataclass(frozen=True)
class DayFile:
    """A file of the archive."""

    name: str
    day: date
    sha256: str
    size: int


class Archive:
    """Stories of runs that are gone."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @property
    def location(self) -> str:
        """The folder or s3:// URL."""
        return self._store.location

    def files(self) -> list[DayFile]:
        """Every file, newest day first. What has another name is somebody else's."""
        found = ((_NAME.match(stored.name), stored.size) for stored in self._store.list())
        files = [
            DayFile(match.string, date.fromisoformat(match["day"]), match["sha256"], size)
            for match, size in found
            if match
        ]
        return sorted(files, key=lambda file: (file.day, file.name), reverse=True)

    def add(self, day: date, run_ids: Collection[str], story_of: Callable[[str], Story]) -> int:
        """Add the stories of runs that are not there yet to the file of their day; the size of what was written.

        A story that is there stays as it is: of a run that was half removed when a clean-up was killed, it is the
        whole one.

        Raises:
            CleanupError: the file that is there is damaged, what is to be written has no room, or cannot be read back.
        """
        before = [file for file in self.files() if file.day == day]
        with tempfile.TemporaryDirectory(prefix="ab-pipeline-archive-") as folder:
            path = Path(folder) / "day.jsonl.gz"
            try:
                added = self._write(path, before, run_ids, story_of)
            except OSError as error:
                raise CleanupError(
                    f"runs cannot be archived: {error.strerror or error}, below {tempfile.gettempdir()}. They stay"
                ) from error
            if not added and len(before) == 1:
                return 0
            sha256 = _sha256(path)
            file = DayFile(f"{day}-{sha256}.jsonl.gz", day, sha256, path.stat().st_size)
            self._store.put_file(file.name, path)
            # what cannot be read back must not be relied on
            with self._fetched(file):
                pass
            for old in before:
                if old.name != file.name:
                    self._store.delete(old.name)
            return file.size

    def _write(
        self, path: Path, before: list[DayFile], run_ids: Collection[str], story_of: Callable[[str], Story]
    ) -> int:
        """Write what the files before hold and the new stories; how many are new."""
        written: set[str] = set()
        # the time in the header would give equal contents different checksums
        with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as file:
            for line in (line for old in before for line in self._lines(old)):
                if id_in(line) not in written:
                    written.add(id_in(line))
                    file.write(line.encode())
            new = [run_id for run_id in run_ids if run_id not in written]
            for run_id in new:
                file.write(f"{story_of(run_id).to_line()}\n".encode())
        return len(new)

    def find(self, run_id: str, day: date | None = None) -> Story | None:
        """The story of the run whose id begins so, looked for in one day's file or in all, newest first."""
        for file in self.files():
            if day in (None, file.day):
                for line in self._lines(file):
                    if id_in(line).startswith(run_id):
                        return Story.from_line(line)
        return None

    def stories(self, file: DayFile) -> Iterator[Story]:
        """Every story of a file."""
        return map(Story.from_line, self._lines(file))

    def expire(self, before: date) -> int:
        """Delete the files of days before a day; their number."""
        old = [file for file in self.files() if file.day < before]
        for file in old:
            self._store.delete(file.name)
        return len(old)

    def _lines(self, file: DayFile) -> Iterator[str]:
        with self._fetched(file) as path, gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from lines

    @contextmanager
    def _fetched(self, file: DayFile) -> Iterator[Path]:
        """A local copy whose checksum is right."""
        folder = Path(tempfile.mkdtemp(prefix="ab-pipeline-archive-"))
        try:
            path = folder / file.name
            self._store.get_file(file.name, path)
            if (found := _sha256(path)) != file.sha256:
                raise CleanupError(
                    f"{self._store.location}/{file.name} is damaged: its SHA-256 is {found}. Put it back from a"
                    " backup, or move it away and lose the stories of that day."
                )
            yield path
        finally:
            shutil.rmtree(folder)


def open_archive(settings: Settings) -> Archive:
    """The archive that the settings name."""
    return Archive(open_store(settings.archive_location))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
