"""From the settings to a watch that runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from prometheus_client import CollectorRegistry

from ab_pipeline.automation.alert_file import AlertFile
from ab_pipeline.automation.channels import channels, together
from ab_pipeline.settings import Settings, SettingsError
from ab_pipeline.watch.dagster_parts import DagsterParts
from ab_pipeline.watch.ended_runs import EndedRuns
from ab_pipeline.watch.messages import FILE, Messages
from ab_pipeline.watch.metadata import Metadata
from ab_pipeline.watch.metrics import FromMemory
from ab_pipeline.watch.other_parts import OtherParts
from ab_pipeline.watch.part import Part, Watch
from ab_pipeline.watch.ping import Ping
from ab_pipeline.watch.server import answers

METADATA = "metadata_database"
_SECONDS_BETWEEN_MESSAGES, _SECONDS_BETWEEN_PINGS = 5.0, 60.0
_logger = logging.getLogger("ab_pipeline.watch")


@dataclass(frozen=True)
class Watching:
    """Where to listen, and what is looked at beside what the settings name."""

    host: str = "127.0.0.1"
    port: int = 3001
    web_url: str | None = None
    certificates: tuple[Path, ...] = ()
    workspace: Path | None = None


def watch_of(settings: Settings, home: Path, watching: Watching, registry: CollectorRegistry) -> Watch:
    """Every part, none looked at yet."""
    from ab_pipeline.paths import WORKSPACE

    metadata = Metadata(home)
    ours = DagsterParts(metadata, settings, watching.workspace or WORKSPACE)
    others = OtherParts(metadata, settings, watching.web_url or settings.dagster_url, watching.certificates)
    ended = EndedRuns(metadata, registry)
    watch = Watch(
        [
            Part(METADATA, metadata.look, every=3),
            Part("daemon", ours.daemon, every=10, needs=METADATA),
            Part("sensors", ours.sensors, every=15, needs=METADATA),
            Part("schedules", ours.schedules, every=30, needs=METADATA),
            Part("code", ours.code, every=15, patience=10),
            Part("web", others.web, every=10),
            Part("warehouse", others.warehouse, every=15),
            Part("runs", ours.runs, every=15, needs=METADATA),
            Part("days_due", ours.due, every=15, needs=METADATA),
            Part("newest_build", ours.built, every=30, patience=15, needs=METADATA),
            Part("ended_runs", ended.look, every=15, patience=60, needs=METADATA),
            Part("experiments", others.experiments, every=60, patience=30),
            Part("backup", others.backup, every=600, patience=120, needs=METADATA),
            Part("disk", others.disk, every=60),
            Part("certificate", others.certificate, every=600, patience=10),
            Part("storage", others.storage, every=3600, patience=600, needs=METADATA),
        ]
    )
    registry.register(FromMemory(watch))
    return watch


def run(settings: Settings, home: Path, watching: Watching) -> None:
    """Look, answer and tell until a signal comes.

    Raises:
        SettingsError: the port is taken.
    """
    from dagster._utils import is_port_in_use

    if is_port_in_use(watching.host, watching.port):
        raise SettingsError(f"port {watching.port} of {watching.host} is taken: end what listens there, or --port")
    registry, stop = CollectorRegistry(), threading.Event()
    watch = watch_of(settings, home, watching, registry)
    watch.start(stop)
    messages = Messages(
        home / FILE,
        AlertFile(settings.alerts_path),
        together(channels(settings)) or _logger.error,
        settings.dagster_url,
    )
    _every(_SECONDS_BETWEEN_MESSAGES, lambda: messages.tell(watch.readings(time.time()), time.time()), stop)
    if settings.ping_url:
        ping = Ping(settings.ping_url.get_secret_value())
        _every(_SECONDS_BETWEEN_PINGS, lambda: ping(watch.readings(time.time())), stop)
    app = answers(watch, registry)
    uvicorn.run(app, host=watching.host, port=watching.port, log_level="warning", access_log=False, server_header=False)
    stop.set()


def _every(seconds: float, do: Callable[[], None], stop: threading.Event) -> None:
    def loop() -> None:
        while not stop.wait(seconds):
            try:
                do()
            except Exception:  # whatever it is, the next time counts
                _logger.exception("the watch goes on")

    threading.Thread(target=loop, daemon=True).start()
