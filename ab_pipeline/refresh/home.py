"""The DAGSTER_HOME of somebody who has none yet."""

from __future__ import annotations

import shutil
from pathlib import Path

from ab_pipeline.paths import PROJECT_ROOT


def made(home: Path) -> Path:
    """The folder, with `deploy/dagster.yaml` if it has none of its own."""
    if not (home / "dagster.yaml").exists():
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT_ROOT / "deploy" / "dagster.yaml", home)
    return home
