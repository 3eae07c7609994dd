"""The backups of a store: listed, checked, called verified, and deleted when their time is over."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ab_pipeline.errors import UserError
from ab_pipeline.maintenance.backup.manifest import FORMAT, Manifest, file_digest
from ab_pipeline.maintenance.backup.retention import Age, Kept, to_delete
from ab_pipeline.maintenance.backup.sealed_json import DamagedError, seal, unseal
from ab_pipeline.maintenance.object_store import SEAL, ObjectMissingError, ObjectStore

VERIFIED = "verified.json"
"""Beside the manifest, written by the drill alone."""

Progress = Callable[[str], None]


class BackupError(UserError):
    """A backup cannot be used. The message says which, why and what to do."""


@dataclass(frozen=True)
class Backup:
    """A published backup. Without a manifest it is damaged, and `problem` says how."""

    name: str
    manifest: Manifest | None
    verified_at: dt.datetime | None
    problem: str | None = None


def backups(store: ObjectStore) -> list[Backup]:
    """Every backup, oldest first."""
    folders = [found.name.removesuffix(f"/{SEAL}") for found in store.list() if found.name.endswith(f"/{SEAL}")]
    return [_read(store, folder) for folder in sorted(folders) if "/" not in folder]


def find(store: ObjectStore, name: str | None) -> Manifest:
    """The manifest of the named backup, or of the newest.

    Raises:
        BackupError: there is none, or it is damaged.
    """
    listed = backups(store)
    if not listed:
        raise BackupError(f"{store.location} holds no backup: make one with `ab-pipeline backup`")
    chosen = listed[-1] if name is None else next((backup for backup in listed if backup.name == name), None)
    if chosen is None:
        raise BackupError(f"{store.location} holds no backup {name}: `ab-pipeline backups` lists them")
    if chosen.manifest is None:
        raise BackupError(f"{store.location}/{chosen.name} is damaged: {chosen.problem}. Choose another backup")
    return chosen.manifest


def fetch(store: ObjectStore, manifest: Manifest, folder: Path, progress: Progress) -> None:
    """Bring every file of a backup into a local folder, each checked against its checksum.

    Raises:
        BackupError: a file is missing or not what was written.
    """
    for name, expected in manifest.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            store.get_file(f"{manifest.name}/{name}", target)
        except ObjectMissingError as error:
            raise BackupError(f"backup {manifest.name} is damaged: {error}. Choose another backup") from error
        if (found := file_digest(target)) != expected:
            raise BackupError(
                f"backup {manifest.name} is damaged: {name} has {found.count:,} bytes with SHA-256"
                f" {found.sha256[:12]}, expected {expected.count:,} with {expected.sha256[:12]}. Choose another backup"
            )
        progress(f"{name}: {expected.count:,} bytes, checksum fits")


def check_files(store: ObjectStore, manifest: Manifest, progress: Progress) -> None:
    """Read every file and check it. Raises BackupError as `fetch` does."""
    with tempfile.TemporaryDirectory(prefix="ab-pipeline-") as folder:
        fetch(store, manifest, Path(folder), progress)


def mark_verified(store: ObjectStore, manifest: Manifest, at: dt.datetime) -> None:
    """Note beside a backup that it was restored and compared."""
    store.put_bytes(f"{manifest.name}/{VERIFIED}", seal({"name": manifest.name, "verified_at": at.isoformat()}))


def expire(store: ObjectStore, kept: Kept) -> list[str]:
    """Delete the backups whose time is over; their names. A damaged one is left for a person to look at."""
    ages = [
        Age(backup.name, backup.manifest.created_at, backup.verified_at is not None)
        for backup in backups(store)
        if backup.manifest
    ]
    names = to_delete(ages, kept)
    for name in names:
        store.delete_folder(name)
    return names


def _read(store: ObjectStore, name: str) -> Backup:
    try:
        manifest = Manifest.from_bytes(store.get_bytes(f"{name}/{SEAL}"))
        if manifest.name != name:
            raise DamagedError(f"its manifest is that of {manifest.name}")
    except (DamagedError, KeyError, TypeError, ValueError) as error:
        return Backup(name, None, None, f"{SEAL}: {error}" if isinstance(error, DamagedError) else f"format {FORMAT}")
    return Backup(name, manifest, _verified_at(store, name))


def _verified_at(store: ObjectStore, name: str) -> dt.datetime | None:
    try:
        verified = unseal(store.get_bytes(f"{name}/{VERIFIED}"))
    except (ObjectMissingError, DamagedError):
        return None
    return dt.datetime.fromisoformat(verified["verified_at"]) if verified["name"] == name else None
