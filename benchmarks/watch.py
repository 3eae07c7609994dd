"""What looking costs, and what it leaves behind: every look of `ab-pipeline watch`, thousands of times."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from dagster import DagsterInstance
from dagster._daemon.types import DaemonHeartbeat
from prometheus_client import CollectorRegistry, generate_latest

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.settings import Settings
from ab_pipeline.watch.run import Watching, watch_of

# once a minute or less often, whatever they cost
_RARE = {"storage", "backup", "certificate", "experiments", "web"}
_WARM_LOOKS = 500


@dataclass(frozen=True)
class LookCost:
    """Of one part: the mean of all its looks, in seconds."""

    part: str
    seconds: float


@dataclass(frozen=True)
class WatchCosts:
    """Of all parts."""

    parts: tuple[LookCost, ...]
    scrape_seconds: float
    bytes_after_warming: int
    bytes_at_the_end: int


def watch_costs(folder: Path, looks: int) -> WatchCosts:
    """Each frequent look so many times on SQLite, its metrics read each time; memory early and at the end."""
    home = folder / "watched"
    home.mkdir()
    shutil.copy(PROJECT_ROOT / "deploy" / "dagster.yaml", home)
    (folder / "watched.duckdb").touch()
    settings = Settings.model_validate({"duckdb_path": folder / "watched.duckdb", "dagster_url": "http://127.0.0.1:1"})
    registry = CollectorRegistry()
    watch = watch_of(settings, home, Watching(), registry)
    with DagsterInstance.from_config(str(home)) as instance:
        for kind in instance.get_required_daemon_types():
            instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), kind, "benchmark", None))
    frequent = [part for part in watch.parts if part.name not in _RARE]
    spent = dict.fromkeys((part.name for part in frequent), 0.0)
    scrapes, after_warming = 0.0, 0
    for number in range(looks):
        for part in frequent:
            started = time.perf_counter()
            part.look_once()
            spent[part.name] += time.perf_counter() - started
        started = time.perf_counter()
        generate_latest(registry)
        scrapes += time.perf_counter() - started
        if number == min(_WARM_LOOKS, looks // 2):
            after_warming = _memory()
    parts = tuple(LookCost(name, seconds / looks) for name, seconds in spent.items())
    return WatchCosts(parts, scrapes / looks, after_warming, _memory())


def _memory() -> int:
    return psutil.Process().memory_info().rss


def lines(costs: WatchCosts) -> Iterator[str]:
    """As the benchmark prints them."""
    for part in costs.parts:
        yield f"   {part.part:18} {part.seconds * 1000:8.2f} ms a look"
    yield f"   {'/metrics':18} {costs.scrape_seconds * 1000:8.2f} ms a scrape"
