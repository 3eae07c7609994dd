"""The set-up: by uv, by pip where uv is not wanted, and without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ab_pipeline.paths import PROJECT_ROOT

NO_NETWORK = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_RETRIES": "0"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What is installed, without an environment."""
    for name in ("deploy", "ab_pipeline", "dbt_project"):
        ignored = shutil.ignore_patterns("__pycache__", "target", "logs")
        shutil.copytree(PROJECT_ROOT / name, tmp_path / name, ignore=ignored)
    for file in [*PROJECT_ROOT.glob("*.lock"), *PROJECT_ROOT.glob("*.md"), PROJECT_ROOT / "pyproject.toml"]:
        shutil.copy(file, tmp_path)
    shutil.copy(PROJECT_ROOT / "LICENSE", tmp_path)
    return tmp_path


def install(checkout: Path, *installer: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["deploy/install.sh", "requirements.lock", *installer],
        cwd=checkout,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_without_a_network_it_says_so_and_that_nothing_is_lost(checkout: Path) -> None:
    done = install(checkout, **NO_NETWORK)
    assert done.returncode == 1
    assert "uv cannot be used here (above): pip goes on, which takes about two minutes." in done.stderr
    assert "requirements.lock could not be installed (above). If there is no network, try again" in done.stderr


@pytest.mark.thorough
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_what_runs_is_installed_by_either_installer_and_nothing_else(checkout: Path, installer: str) -> None:
    done = install(checkout, installer)
    assert done.returncode == 0, done.stderr
    bin_ = checkout / ".venv" / "bin"
    assert "ab-pipeline, version" in subprocess.check_output([bin_ / "ab-pipeline", "--version"], text=True)
    assert not (bin_ / "pytest").exists()
    assert (bin_ / "uv").exists() == (installer == "uv")
