"""Where this project's own files are. Nothing else in the package assumes a checkout."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# relative paths in settings start here
PROJECT_ROOT = PACKAGE.parent
ENV_FILE = PROJECT_ROOT / ".env"
WORKSPACE = PROJECT_ROOT / "workspace.yaml"
PROJECT_DIR = PROJECT_ROOT / "dbt_project"
REGISTRY = PROJECT_DIR / "seeds"
_READ_BY_DBT = ("macros", "models", "seeds", "snapshots", "tests")


def dbt_files(project_dir: Path, registry: Path = REGISTRY) -> list[Path]:
    """What dbt reads of a project: the files, and their folders, whose time alone shows a deleted file."""
    files = [project_dir / "dbt_project.yml", project_dir / "profiles.yml", registry, *registry.rglob("*")]
    for folder in _READ_BY_DBT:
        files += [project_dir / folder, *(project_dir / folder).rglob("*")]
    return files
