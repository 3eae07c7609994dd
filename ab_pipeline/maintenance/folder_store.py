"""A store in a local folder: a temporary name, fsync, rename."""

from __future__ import annotations

import datetime as dt
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ab_pipeline.maintenance.object_store import ObjectMissingError, StoredObject, StoreError, checked_name

_PARTIAL = ".partial"


@dataclass(frozen=True)
class FolderStore:
    """Objects are files below the folder. What is being written has a hidden name that ends in `.partial`."""

    folder: Path

    @property
    def location(self) -> str:
        """The folder."""
        return str(self.folder)

    def put_file(self, name: str, path: Path) -> None:
        """Store a copy of a local file."""
        with self._writing(name) as partial:
            shutil.copyfile(path, partial)

    def put_bytes(self, name: str, content: bytes) -> None:
        """Store bytes."""
        with self._writing(name) as partial:
            partial.write_bytes(content)

    def get_file(self, name: str, path: Path) -> None:
        """Write the object to a local file."""
        source = self._path(name)
        if not source.is_file():
            raise ObjectMissingError(f"{source}: there is no such file")
        try:
            shutil.copyfile(source, path)
        except OSError as error:
            # either disk may be the reason
            raise StoreError(f"{source} cannot be copied to {path}: {error.strerror or error}") from error

    def get_bytes(self, name: str) -> bytes:
        """The object's content."""
        with self._explained(name):
            return self._path(name).read_bytes()

    def exists(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return self._path(name).is_file()

    def list(self, folder: str = "") -> list[StoredObject]:
        """Every file in a folder and below it."""
        top = self._path(folder) if folder else self.folder
        with self._explained(folder):
            return sorted(
                (
                    StoredObject(path.relative_to(self.folder).as_posix(), stat.st_size, _utc(stat.st_mtime))
                    for path in top.rglob("*")
                    if path.is_file() and not _is_partial(path.relative_to(self.folder))
                    for stat in (path.stat(),)
                ),
                key=lambda stored: stored.name,
            )

    def delete(self, name: str) -> None:
        """Delete a file."""
        with self._explained(name):
            self._path(name).unlink(missing_ok=True)

    @contextmanager
    def publishing(self, folder: str) -> Iterator[Path]:
        """A folder beside the final one, locked while it is filled, then renamed."""
        final = self._path(folder)
        partial = _partial(final)
        with self._explained(folder):
            if final.exists():
                raise StoreError(f"{final} exists already")
            partial.mkdir(parents=True)
        try:
            with _locked(partial):
                yield partial
                with self._explained(folder):
                    for path in (*partial.rglob("*"), partial):
                        _sync(path)
                    partial.rename(final)
                    _sync(final.parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def delete_folder(self, folder: str) -> None:
        """Rename the folder out of sight, then delete it."""
        final = self._path(folder)
        partial = _partial(final)
        with self._explained(folder):
            if not final.exists():
                return
            final.rename(partial)
            shutil.rmtree(partial)

    def delete_leftovers(self) -> list[str]:
        """Delete partial files and folders that no process has locked."""
        found = []
        for path in sorted(self.folder.rglob(f".*{_PARTIAL}")):
            if path.exists() and not _is_locked(path):
                with self._explained(path.name):
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
                found.append(path.relative_to(self.folder).as_posix())
        return found

    @contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        final = self._path(name)
        partial = _partial(final)
        try:
            with self._explained(name):
                final.parent.mkdir(parents=True, exist_ok=True)
                partial.touch()
                with _locked(partial):
                    yield partial
                    _sync(partial)
                    partial.replace(final)
                _sync(final.parent)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def _path(self, name: str) -> Path:
        return self.folder / checked_name(name)

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise ObjectMissingError(f"{error.filename}: there is no such file") from error
        except OSError as error:
            raise StoreError(f"{self.folder / name}: {error.strerror or error}") from error


def _partial(final: Path) -> Path:
    return final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}{_PARTIAL}")


def _is_partial(path: Path) -> bool:
    return any(part.startswith(".") and part.endswith(_PARTIAL) for part in path.parts)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """The lock goes with its process, however that ends."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _sync(path: Path) -> None:
    """What a rename makes visible must be on the disk before it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _utc(timestamp: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(timestamp, dt.UTC)
