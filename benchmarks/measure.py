"""Timing whole commands and SQL, and naming the machine they ran on."""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Run:
    """One command: wall seconds, and the peak resident memory of its process in bytes."""

    seconds: float
    peak_bytes: int


def run(command: list[str], environment: Mapping[str, str], cwd: Path) -> Run:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed; the message ends with what it printed last.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output, _ = process.communicate()
    seconds = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{output[-2000:]}")
    return Run(seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)


def median_seconds(runs: int, timed: Callable[[], float]) -> float:
    """The median of several timings."""
    return statistics.median(timed() for _ in range(runs))


def seconds_of(action: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def machine() -> str:
    """Processors, memory, Python and DuckDB: what a ratio still depends on."""
    import duckdb

    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{psutil.cpu_count()} x {platform.machine()}, {memory:.0f} GiB, {platform.system()},"
        f" Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    )
