"""Every check, side by side."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ab_pipeline.doctor.configuration import configuration, secrets
from ab_pipeline.doctor.data import backup, certificate, code, disk, pages, warehouse
from ab_pipeline.doctor.finding import Finding, fail
from ab_pipeline.doctor.metadata import instance, metadata
from ab_pipeline.doctor.processes import daemon, exposed, schedules
from ab_pipeline.doctor.setup import NotLookedAtError, Setup
from ab_pipeline.doctor.versions import versions
from ab_pipeline.errors import UserError
from ab_pipeline.maintenance.storage import dagster_home
from ab_pipeline.settings import SettingsError, get_settings

Check = Callable[[Setup], Iterator[Finding]]
CHECKS: Mapping[str, Check] = {
    check.__name__: check
    for check in (
        configuration,
        secrets,
        versions,
        metadata,
        instance,
        daemon,
        schedules,
        exposed,
        certificate,
        warehouse,
        code,
        pages,
        backup,
        disk,
    )
}


@dataclass(frozen=True)
class Examined:
    """A finding, and the check that has it."""

    area: str
    finding: Finding


def the_setup(loading: subprocess.Popen[str] | None = None) -> Setup:
    """The installation that the environment names."""
    try:
        settings = get_settings()
    except SettingsError:
        settings = None
    return Setup(dagster_home(), settings, dt.datetime.now(dt.UTC), loading)


def examine(setup: Setup, areas: Collection[str] = CHECKS.keys()) -> list[Examined]:
    """What each check finds, in their order. One that fails itself is a finding, and keeps no other from looking."""
    checks = {area: check for area, check in CHECKS.items() if area in areas}
    # the slow ones wait for processes and servers
    with ThreadPoolExecutor(2) as pool:
        slow = {
            area: pool.submit(_found, check, setup) for area, check in checks.items() if area in ("code", "warehouse")
        }
        found = {area: _found(check, setup) for area, check in checks.items() if area not in slow}
        found |= {area: future.result() for area, future in slow.items()}
    return [Examined(area, finding) for area in checks for finding in found[area]]


def _found(check: Check, setup: Setup) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check(setup))
    except NotLookedAtError:
        # what keeps it from looking is told by another check
        pass
    except UserError as error:
        found.append(fail(str(error), "mend that, and ask again"))
    except Exception as error:  # a check that dies must not hide what the others find
        said = " ".join(str(error).split()) or type(error).__name__
        found.append(fail(f"{check.__name__} could not be looked at: {said}", "mend that, and ask again"))
    return found
