"""What is installed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import distributions, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ab_pipeline.doctor.finding import Finding, fail, ok, warn
from ab_pipeline.doctor.setup import Setup
from ab_pipeline.paths import PROJECT_ROOT

LOCK = PROJECT_ROOT / "requirements.lock"
_OLDEST, _TOO_NEW = (3, 11), (3, 14)
_SHOWN = 3
# a library of dagster 1.13.27 is 0.29.27
_LIBRARY_AHEAD = 16
_FAMILY = frozenset({"aws", "dbt", "docker", "k8s", "postgres", "slack"})


def versions(_setup: Setup) -> Iterator[Finding]:
    """Python, Dagster's family, and every package against the lock."""
    python = sys.version_info[:2]
    if not _OLDEST <= python < _TOO_NEW:
        yield fail(f"this is Python {python[0]}.{python[1]}", "install with Python 3.11, 3.12 or 3.13")
    installed = {str(canonicalize_name(one.name)): one.version for one in distributions()}
    yield from family(installed)
    yield from against_the_lock(installed, LOCK.read_text() if LOCK.exists() else "")


def family(installed: dict[str, str]) -> Iterator[Finding]:
    """Whether all of Dagster is of one release."""
    core = installed.get("dagster") or version("dagster")
    major, minor, patch = core.split(".")[:3]
    wanted = f"{int(major) - 1}.{int(minor) + _LIBRARY_AHEAD}.{patch}"
    others = {f"dagster-{name}": wanted for name in _FAMILY} | {"dagster-webserver": core, "dagster-graphql": core}
    wrong = [
        f"{name} {installed[name]}" for name in sorted(others) if installed.get(name, others[name]) != others[name]
    ]
    if wrong:
        yield fail(f"dagster is {core}, but {', '.join(wrong)}: they are released together", "make install")
    else:
        yield ok(f"dagster {core}, and its libraries with it")


def against_the_lock(installed: dict[str, str], lock: str) -> Iterator[Finding]:
    """Whether what is installed is what was tested."""
    pinned = re.findall(r"^([A-Za-z0-9_.\-\[\],]+==[^\\\n]+)", lock, re.MULTILINE)
    other, missing = [], []
    for line in pinned:
        wanted = Requirement(line.strip())
        if wanted.marker and not wanted.marker.evaluate():
            continue
        found = installed.get(canonicalize_name(wanted.name))
        if found is None:
            missing.append(wanted.name)
        elif not wanted.specifier.contains(found, prereleases=True):
            other.append(f"{wanted.name} is {found}, locked is {str(wanted.specifier).lstrip('=')}")
    if missing:
        yield fail(f"not installed: {_some(missing)}", "make install")
    if other:
        yield warn(f"installed is not what was tested: {_some(other)}", "make install")
    if not missing and not other:
        yield ok(f"{len(pinned)} packages are those of the lock")


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
