"""Restored files take the place of others, which are kept: by renames that a kill cannot leave half done.

What is to be renamed is written down first. Whoever comes next finishes it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ab_pipeline.maintenance.folder_store import FolderStore
from ab_pipeline.maintenance.storage import StorageError

_JOURNAL = "restore.json"


@dataclass(frozen=True)
class Step:
    """`new`, or nothing, takes the place of `current`, which is moved to `kept`."""

    new: Path | None
    current: Path
    kept: Path


def swap(home: Path, steps: Sequence[Step]) -> None:
    """Do every step. From the first moment on they are all done, if need be by `finish`."""
    _refuse_other_disks(steps)
    # the files first, then the journal that relies on them
    os.sync()
    payload = [[str(step.new) if step.new else None, str(step.current), str(step.kept)] for step in steps]
    FolderStore(home).put_bytes(_JOURNAL, json.dumps(payload).encode())
    finish(home)


def finish(home: Path) -> bool:
    """Go on with the steps that a killed process began; whether there were any."""
    journal = home / _JOURNAL
    if not is_unfinished(home):
        return False
    for new, current, kept in json.loads(journal.read_bytes()):
        _do(Step(Path(new) if new else None, Path(current), Path(kept)))
    journal.unlink()
    return True


def is_unfinished(home: Path) -> bool:
    """Whether a restore was interrupted here, or is at work."""
    return (home / _JOURNAL).exists()


def refuse_unfinished(home: Path) -> None:
    """Raises StorageError: a restore was interrupted here."""
    if is_unfinished(home):
        raise StorageError(f"a restore of {home} was interrupted: `ab-pipeline restore` finishes it first")


def _refuse_other_disks(steps: Sequence[Step]) -> None:
    for step in steps:
        folder = next(parent for parent in step.current.parents if parent.exists())
        if step.new is not None and step.new.stat().st_dev != folder.stat().st_dev:
            raise StorageError(f"{folder} is on another disk than {step.new.parent}: restore with --to, then move it")


def _do(step: Step) -> None:
    if step.current.exists() and not step.kept.exists() and (step.new is None or step.new.exists()):
        step.kept.parent.mkdir(parents=True, exist_ok=True)
        step.current.rename(step.kept)
    if step.new is not None and step.new.exists():
        step.current.parent.mkdir(parents=True, exist_ok=True)
        step.new.rename(step.current)
