"""Where backups and archives are kept: a local folder or an S3 prefix, behind one small protocol.

An object is there whole or not at all, and so is a folder that was published, wherever a process is killed.
"""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from ab_pipeline.errors import UserError

SEAL = "manifest.json"
"""The file that makes a folder one: it is published last and deleted first."""


class StoreError(UserError):
    """The store could not be used. The message says where, why and what to do."""


class ObjectMissingError(StoreError):
    """There is no object of that name."""


@dataclass(frozen=True)
class StoredObject:
    """One object: its name below the store's location, its bytes, and when it was written (UTC)."""

    name: str
    size: int
    modified_at: dt.datetime


class ObjectStore(Protocol):
    """Objects by name; `/` separates folders. Every method may raise StoreError."""

    @property
    def location(self) -> str:
        """The folder or s3:// URL, as settings name it."""
        ...

    def put_file(self, name: str, path: Path) -> None:
        """Store a copy of a local file, replacing an object of that name."""
        ...

    def put_bytes(self, name: str, content: bytes) -> None:
        """Store bytes, replacing an object of that name."""
        ...

    def get_file(self, name: str, path: Path) -> None:
        """Write the object to a local file. Raises ObjectMissingError."""
        ...

    def get_bytes(self, name: str) -> bytes:
        """The object's content. Raises ObjectMissingError."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is an object of that name."""
        ...

    def list(self, folder: str = "") -> list[StoredObject]:
        """Every object in a folder and below it, by name; none if there is no such folder."""
        ...

    def delete(self, name: str) -> None:
        """Delete an object. One that is not there is deleted already."""
        ...

    def publishing(self, folder: str) -> AbstractContextManager[Path]:
        """A local folder to fill, which is published as `folder` on leaving the block; not if the block raises.

        Nothing that may be half a folder has a SEAL.
        """
        ...

    def delete_folder(self, folder: str) -> None:
        """Delete a folder: from the first moment on it has no SEAL."""
        ...

    def delete_leftovers(self) -> list[str]:
        """Delete what killed processes left half-written, and name it. What is being written stays."""
        ...


def open_store(location: str) -> ObjectStore:
    """The store at `s3://bucket/prefix`, or in a local folder.

    Raises:
        StoreError: the location is neither.
    """
    if location.startswith("s3://"):
        from ab_pipeline.maintenance.s3_store import S3Store

        return S3Store.at(location)
    if "://" in location:
        raise StoreError(f"{location}: backups and archives are kept in a local folder or below s3://bucket/prefix")
    from ab_pipeline.maintenance.folder_store import FolderStore

    return FolderStore(Path(location).expanduser().absolute())


def checked_name(name: str) -> str:
    """The name, if it stays below the store's location.

    Raises:
        StoreError: it does not, or it is none.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or str(PurePosixPath(name)) != name:
        raise StoreError(f"{name!r} is no name of an object: expected a relative path such as 2025-01-31/runs.db")
    return name
