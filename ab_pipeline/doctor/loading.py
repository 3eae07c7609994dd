"""The definitions, loaded by a process of their own: it starts before the rest is imported, as it takes longest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ab_pipeline.paths import PROJECT_ROOT


def start_loading(home: Path) -> subprocess.Popen[str]:
    """A process that ends well if they load, and says each warning."""
    return subprocess.Popen(
        [sys.executable, "-W", "default", "-c", "import ab_pipeline.definitions"],
        cwd=PROJECT_ROOT,
        env={**os.environ, "DAGSTER_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
