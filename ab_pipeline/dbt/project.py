"""The dbt project with its manifest and lineage, made again only when they are missing or older than the sources."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from dagster_dbt import DbtProject

from ab_pipeline.dbt.lineage import ColumnLineage
from ab_pipeline.errors import UserError
from ab_pipeline.paths import PROJECT_DIR, dbt_files
from ab_pipeline.settings import Settings

# Lineage comes last: its time, which no build of dbt changes, is the time of all of them.
_PREPARED_FILES = ("partial_parse.msgpack", "manifest.json", "lineage.json")
_logger = logging.getLogger(__name__)


class DbtParseError(UserError):
    """dbt could not read the project. The message is dbt's own."""


def load_project(settings: Settings) -> DbtProject:
    """The project for the configured target, with a manifest that is up to date.

    `DbtProject.prepare_if_dev` is not used: below `dagster dev` every run and step would parse again.
    """
    _link_registry(settings)
    folder = Path("target") / settings.dbt_folder
    project = DbtProject(PROJECT_DIR, target_path=folder, target=settings.target)
    target_path = project.manifest_path.parent
    if _is_stale(target_path, settings.registry):
        _prepare(target_path, settings)
    return project


def load_lineage(project: DbtProject) -> ColumnLineage:
    """The column lineage of a project that `load_project` gave."""
    nodes = json.loads((project.manifest_path.parent / "lineage.json").read_bytes())
    return {
        unique_id: {column: tuple(map(tuple, upstream)) for column, upstream in columns.items()}
        for unique_id, columns in nodes.items()
    }


def _link_registry(settings: Settings) -> None:
    """So that a registry elsewhere has a path within the project: dbt writes over files that have none."""
    link = settings.registry_link
    if link is None or link.is_symlink():
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    # another process may make it too
    with suppress(FileExistsError):
        link.symlink_to(settings.registry)


def _is_stale(target_path: Path, registry: Path) -> bool:
    if not all((target_path / name).exists() for name in _PREPARED_FILES):
        return True
    prepared = (target_path / _PREPARED_FILES[-1]).stat().st_mtime
    return any(source.stat().st_mtime > prepared for source in dbt_files(PROJECT_DIR, registry))


def _prepare(target_path: Path, settings: Settings) -> None:
    """Prepare in a scratch folder and move the result in place, so that a reader never sees half of a file."""
    started = time.time()
    target_path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target_path) as folder:
        scratch = Path(folder)
        if (target_path / _PREPARED_FILES[0]).exists():
            # dbt then parses only what was edited
            shutil.copy(target_path / _PREPARED_FILES[0], scratch)
        result = subprocess.run(
            [sys.executable, "-m", "ab_pipeline.dbt.prepare", PROJECT_DIR, settings.target, scratch],
            env=os.environ | settings.dbt_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        output = result.stdout + result.stderr
        if result.returncode:
            raise DbtParseError(f"{PROJECT_DIR} cannot be parsed by dbt:\n{output}")
        if output:
            _logger.warning("column lineage is incomplete:\n%s", output)
        # what is edited meanwhile must be newer
        os.utime(scratch / _PREPARED_FILES[-1], (started, started))
        for name in _PREPARED_FILES:
            (scratch / name).replace(target_path / name)
