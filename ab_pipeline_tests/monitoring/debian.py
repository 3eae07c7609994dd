"""Debian's Prometheus and Alertmanager, unpacked into a folder: no service is installed or started."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

_TEMPLATES = Path("/usr/share/prometheus/alertmanager")
PACKAGES = ("prometheus", "prometheus-alertmanager")
_FOLDER = Path(tempfile.gettempdir()) / "ab_pipeline_tests_prometheus"


def binaries() -> Path | None:
    """The folder with prometheus, prometheus-alertmanager, promtool and amtool; None where Debian is not to be had."""
    found = _unpacked()
    if found and not _TEMPLATES.exists():
        # Alertmanager looks for them there and nowhere else
        shutil.copytree(_FOLDER / _TEMPLATES.relative_to("/"), _TEMPLATES)
    return found


def _unpacked() -> Path | None:
    found = _FOLDER / "usr" / "bin"
    if (found / "promtool").exists() and (found / "amtool").exists():
        return found
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        got = subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, capture_output=True, check=False)
        if got.returncode:
            return None
        for package in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(_FOLDER)], check=True, capture_output=True)
    return found
