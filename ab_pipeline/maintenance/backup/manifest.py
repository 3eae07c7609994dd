"""What a backup holds, in the words of its `manifest.json`."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ab_pipeline.maintenance.backup.sealed_json import DamagedError, seal, unseal

FORMAT = 1
"""Raised when an older version of this package could not restore the backup."""
MATERIALIZED_PARTITIONS = """
    select distinct e.asset_key, e.partition
    from event_logs e
    left join asset_keys k on k.asset_key = e.asset_key
    where e.dagster_event_type = 'ASSET_MATERIALIZATION'
      and e.partition is not null
      and (k.wipe_timestamp is null or e.timestamp > k.wipe_timestamp)
"""
"""Asset key and partition, as either database has them."""
_NAME = "%Y-%m-%dT%H-%M-%S.%fZ"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Digest:
    """How much there is of something, and the SHA-256 of all of it: rows of a table, bytes of a file."""

    count: int
    sha256: str


@dataclass(frozen=True)
class Contents:
    """What Dagster's storage held: what has to be there again after a restore.

    `revisions`: the alembic revision of each schema. `tables`: the rows of each table. `partitions`: what each asset
    has materialized.
    """

    revisions: dict[str, str]
    tables: dict[str, Digest]
    partitions: dict[str, Digest]

    def differences(self, other: Contents) -> list[str]:
        """Where the other differs, a line each; none if they are equal."""
        return [
            f"{kind} {name}: {_shown(mine.get(name))} in the backup, {_shown(theirs.get(name))} restored"
            for kind, mine, theirs in (
                ("revision of", self.revisions, other.revisions),
                ("table", self.tables, other.tables),
                ("partitions of", self.partitions, other.partitions),
            )
            for name in sorted(mine.keys() | theirs.keys())
            if mine.get(name) != theirs.get(name)
        ]


@dataclass(frozen=True)
class Manifest:
    """A backup. Times are UTC; `left_out` says what it does not hold, and why."""

    name: str
    created_at: dt.datetime
    kind: Literal["sqlite", "postgres"]
    versions: dict[str, str]
    contents: Contents
    warehouse: dict[str, Digest]
    files: dict[str, Digest]
    left_out: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(digest.count for digest in self.files.values())

    def to_bytes(self) -> bytes:
        """As the file."""
        payload = asdict(self) | {"format": FORMAT, "created_at": self.created_at.isoformat()}
        return seal(payload | {"left_out": list(self.left_out)})

    @classmethod
    def from_bytes(cls, content: bytes) -> Manifest:
        """What `to_bytes` wrote.

        Raises:
            DamagedError: the file was changed, or a newer version wrote it.
        """
        payload = unseal(content)
        if payload["format"] != FORMAT:
            raise DamagedError(
                f"its format is {payload['format']}, this version of ab-pipeline reads {FORMAT}: upgrade"
            )
        contents = payload["contents"]
        return cls(
            name=payload["name"],
            created_at=dt.datetime.fromisoformat(payload["created_at"]),
            kind=payload["kind"],
            versions=payload["versions"],
            contents=Contents(contents["revisions"], _digests(contents["tables"]), _digests(contents["partitions"])),
            warehouse=_digests(payload["warehouse"]),
            files=_digests(payload["files"]),
            left_out=tuple(payload["left_out"]),
        )


def name_of(created_at: dt.datetime) -> str:
    """The name of a backup that was begun at a time (UTC); names sort as times do."""
    return created_at.strftime(_NAME)


def file_digest(path: Path) -> Digest:
    """Bytes and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Digest(size, digest.hexdigest())


def partition_digests(rows: Iterable[tuple[str, str]]) -> dict[str, Digest]:
    """Number and SHA-256 of the partitions of each asset, from pairs of asset key and partition."""
    partitions: dict[str, list[str]] = {}
    for asset, partition in sorted(rows):
        partitions.setdefault(asset, []).append(partition)
    return {
        asset: Digest(len(keys), hashlib.sha256("\n".join(keys).encode()).hexdigest())
        for asset, keys in partitions.items()
    }


def _digests(values: dict[str, dict[str, Any]]) -> dict[str, Digest]:
    return {name: Digest(**value) for name, value in values.items()}


def _shown(value: Digest | str | None) -> str:
    if isinstance(value, Digest):
        return f"{value.count:,} ({value.sha256[:12]})"
    return value or "none"
