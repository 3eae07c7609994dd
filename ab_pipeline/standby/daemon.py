"""Dagster's daemon in this process, as long as it leads and its threads beat."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ab_pipeline.health.heartbeats import tolerance
from ab_pipeline.maintenance.storage import dagster_storage
from ab_pipeline.standby.leader import FENCED, Say, leading

if TYPE_CHECKING:
    from dagster import DagsterInstance

HANGS_SECONDS = 600.0
_LOOK_SECONDS = 15.0


def hanging(beats: Mapping[str, float], started: float, now: float, patience: float = HANGS_SECONDS) -> list[str]:
    """The kinds that have not beaten for so long; those of before the start count from the start."""
    return sorted(kind for kind, at in beats.items() if now - max(at, started) > patience)


def run(home: Path, workspace: Path, say: Say) -> None:
    """Wait for the lead, then be Dagster's daemon until a signal comes.

    Raises:
        StorageError: there is no storage to lead in.
    """
    from dagster import DagsterInstance
    from dagster._daemon.cli import run_command

    os.environ["DAGSTER_HOME"] = str(home)
    storage = dagster_storage(home)
    say(f"waiting to lead in {storage}")
    # opened before Dagster's own: two that open an empty home at once make its tables twice
    with leading(storage, home, say), DagsterInstance.from_config(str(home)) as instance:
        say("leading")
        threading.Thread(target=_end_when_hanging, args=(instance, say), name="hang", daemon=True).start()
        run_command.main(["-w", str(workspace)], standalone_mode=False)


def _end_when_hanging(instance: DagsterInstance, say: Say) -> None:
    """Dagster only logs that its threads hang. While the database does not answer, the lock's fence decides."""
    patience = tolerance(HANGS_SECONDS)
    started, required = time.time(), instance.get_required_daemon_types()
    while True:
        time.sleep(min(_LOOK_SECONDS, patience / 4))
        try:
            found = instance.get_daemon_heartbeats()
        except Exception:  # whatever the storage raises: it is asked again
            continue
        beats = {kind: found[kind].timestamp if kind in found else 0.0 for kind in required}
        if hang := hanging(beats, started, time.time(), patience):
            say(f"{', '.join(hang)} have not beaten for {patience:.0f} s: this daemon ends, for another to lead")
            os._exit(FENCED)
