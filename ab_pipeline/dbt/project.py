"""The dbt project, and its manifest, made again only when it is missing or older than its sources."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from dagster_dbt import DbtProject

from ab_pipeline.settings import PROJECT_ROOT, Settings

PROJECT_DIR = PROJECT_ROOT / "dbt_project"
_SOURCE_FOLDERS = ("macros", "models", "seeds", "snapshots", "tests")
_PARSED_FILES = ("partial_parse.msgpack", "manifest.json")


class DbtParseError(Exception):
    """dbt could not read the project. The message is dbt's own."""


def load_project(settings: Settings) -> DbtProject:
    """The project for the configured target, with a manifest that is up to date.

    `DbtProject.prepare_if_dev` is not used: below `dagster dev` every run and step would parse again.
    """
    # a manifest belongs to one adapter: targets must not share a folder
    project = DbtProject(PROJECT_DIR, target_path=Path("target") / settings.target, target=settings.target)
    if _is_stale(project.manifest_path):
        _parse(project.manifest_path.parent, settings)
    return project


def _is_stale(manifest_path: Path) -> bool:
    if not manifest_path.exists():
        return True
    built = manifest_path.stat().st_mtime
    sources = [PROJECT_DIR / "dbt_project.yml", PROJECT_DIR / "profiles.yml"]
    for folder in _SOURCE_FOLDERS:
        # a deleted file shows only in the time of its folder
        sources += [PROJECT_DIR / folder, *(PROJECT_DIR / folder).rglob("*")]
    return any(source.stat().st_mtime > built for source in sources)


def _parse(target_path: Path, settings: Settings) -> None:
    """Parse into a scratch folder and move the result in place, so that a reader never sees half of it."""
    target_path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target_path) as scratch:
        command = [sys.executable, "-m", "dbt.cli.main", "parse", "--quiet", "--target", settings.target]
        command += ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)]
        command += ["--target-path", scratch, "--log-path", scratch]
        result = subprocess.run(
            command, env=os.environ | settings.dbt_environment(), capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise DbtParseError(f"{PROJECT_DIR} cannot be parsed by dbt:\n{result.stdout}{result.stderr}")
        for name in _PARSED_FILES:
            (Path(scratch) / name).replace(target_path / name)
