"""Folders that grow: those of runs, whose names are run ids, and those that only people read."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from dagster import DagsterInstance

from ab_pipeline.maintenance.cleanup.inventory import GROWTH_DAYS, Place, Store


@dataclass(frozen=True)
class Tree:
    """The files below a folder, or one file."""

    bytes: int = 0
    files: int = 0
    new_bytes: int = 0
    new_files: int = 0

    @classmethod
    def of(cls, path: Path, since: datetime) -> Tree:
        """What is there now; nothing if there is no such path. Links are not followed."""
        return cls.of_sizes((stat.st_size, stat.st_mtime >= since.timestamp()) for stat in _stats(path))

    @classmethod
    def of_sizes(cls, files: Iterable[tuple[int, bool]]) -> Tree:
        """Of each file its size, and whether it is new."""
        sizes = list(files)
        new = [size for size, is_new in sizes if is_new]
        return cls(sum(size for size, _ in sizes), len(sizes), sum(new), len(new))

    def __add__(self, other: Tree) -> Tree:
        return Tree(
            self.bytes + other.bytes,
            self.files + other.files,
            self.new_bytes + other.new_bytes,
            self.new_files + other.new_files,
        )

    def store(self, name: str, place: Place = Place.DISK) -> Store:
        """As one of the things that grow."""
        return Store(name, place, self.bytes, self.files, self.new_bytes / GROWTH_DAYS, self.new_files / GROWTH_DAYS)


def _stats(path: Path) -> Iterator[os.stat_result]:
    try:
        if path.is_file():
            yield path.stat()
            return
        for folder, _, names in os.walk(path):
            for name in names:
                yield (Path(folder) / name).lstat()
    except FileNotFoundError:
        # gone while it was looked at
        return


def is_run_id(name: str) -> bool:
    """Whether a folder or file of this name is of a run. Others hold what assets returned."""
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


class RunFolders:
    """What runs leave outside of databases: printed lines, and values passed between ops."""

    def __init__(self, instance: DagsterInstance) -> None:
        self._instance = instance
        self._storage = Path(instance.storage_directory())
        manager = instance.compute_log_manager
        # wherever printed lines are kept or, on their way to S3, pass through
        local = cast("Any", getattr(manager, "local_manager", manager))
        logs = Path(local._base_dir) if hasattr(local, "_base_dir") else self._storage
        self._roots = {self._storage, logs}

    def trees(self, since: datetime) -> dict[str, Tree]:
        """The files of each run, by its id."""
        trees: dict[str, Tree] = {}
        for root in self._roots:
            for path in root.iterdir() if root.exists() else ():
                if is_run_id(path.name):
                    trees[path.name] = trees.get(path.name, Tree()) + Tree.of(path, since)
        return trees

    def remove(self, run_id: str) -> None:
        """Remove all files of a run, in S3 as well."""
        self._instance.compute_log_manager.delete_logs(prefix=[run_id])
        for root in self._roots:
            if (root / run_id).exists():
                shutil.rmtree(root / run_id)

    def tick_logs(self) -> list[Path]:
        """Where sensors and schedules leave what they log, a file a tick."""
        origins = [
            (state.origin.repository_origin.repository_name, state.instigator_name)
            for state in self._instance.all_instigator_state()
        ]
        return sorted({root / repository / name for root in self._roots for repository, name in origins})


def logs_in_s3(instance: DagsterInstance, since: datetime) -> Tree | None:
    """The printed lines that are kept in S3; None if they are kept elsewhere."""
    manager = instance.compute_log_manager
    if not hasattr(manager, "_s3_bucket"):
        return None
    s3 = cast("Any", manager)
    pages = s3._s3_session.get_paginator("list_objects_v2").paginate(
        Bucket=s3._s3_bucket, Prefix=f"{s3._s3_prefix}/storage/"
    )
    items = (item for page in pages for item in page.get("Contents", ()))
    return Tree.of_sizes((item["Size"], item["LastModified"] >= since) for item in items)


def remove_older(folder: Path, before: datetime) -> int:
    """Remove the files below a folder that were last written before a moment, and folders left empty; the bytes."""
    freed = 0
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(parent) / name
            stat = path.lstat()
            if stat.st_mtime < before.timestamp():
                path.unlink()
                freed += stat.st_size
        if Path(parent) != folder and not any(Path(parent).iterdir()):
            Path(parent).rmdir()
    return freed


def remove_unused(folders: Iterator[Path], before: datetime) -> int:
    """Remove each folder in which nothing was written since a moment; the bytes."""
    freed = 0
    for folder in folders:
        tree = Tree.of(folder, before)
        if tree.files and not tree.new_files:
            shutil.rmtree(folder)
            freed += tree.bytes
    return freed
