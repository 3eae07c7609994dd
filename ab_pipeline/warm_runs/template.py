"""`python -m ab_pipeline.warm_runs`: the process that runs are forked from, one for a host and a DAGSTER_HOME.

It has imported the definitions and dbt, has parsed the project and, on target local, built once. It does nothing but
wait and fork: one thread, no connection to Dagster's storage or the warehouse. What it was made of may change; then it
begins anew in the same process, so that the runs stay its children. Without anybody asking for a while, it ends.
"""

from __future__ import annotations

import gc
import multiprocessing.util
import os
import random
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import psutil
from dagster._cli.api import execute_run_command
from dagster._utils.interrupts import capture_interrupts

from ab_pipeline.warm_runs import fingerprint
from ab_pipeline.warm_runs.channel import Channel, TemplateError, listening
from ab_pipeline.warm_runs.warm_up import warm_up
from ab_pipeline.worker import Worker

_IDLE_SECONDS = 300
_PATIENCE = 5.0
_STANDARD_STREAMS = (0, 1, 2)
# a library's own threads would be missing in a child, and each would keep the template from being forked
_WITHOUT_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


@dataclass
class Template:
    """The serving process. Everything in it is inherited by each run."""

    home: Path
    lock: TextIO
    files: dict[str, str] = field(default_factory=fingerprint.files)
    inherited: dict[str, str] = field(default_factory=fingerprint.inherited_environment)
    started_with: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    server_id: str | None = None
    _last_asked_at: float = field(default_factory=time.monotonic)

    def serve(self, server: socket.socket) -> dict[str, str] | None:
        """Answer until there is nobody to answer; or until another template should be here: its environment."""
        while time.monotonic() - self._last_asked_at < _IDLE_SECONDS and self.home.exists():
            _reap()
            if not select.select([server], [], [], 1.0)[0]:
                continue
            self._last_asked_at = time.monotonic()
            with Channel(server.accept()[0], _PATIENCE) as channel:
                try:
                    request = channel.hear()
                    if why := self._what_is_different(request) or self._what_forbids_a_fork():
                        channel.say({"refused": f"{why}: the warm process is made anew"})
                        _note(f"made anew: {why}")
                        return request.get("environment", self.started_with)
                    self._answer(request, channel, server)
                except TemplateError:
                    # who called has hung up
                    continue
        return None

    def _answer(self, request: dict[str, Any], channel: Channel, server: socket.socket) -> None:
        if "run" not in request:
            channel.say({"ready": True})
            return
        self.server_id = request["server_id"] or self.server_id
        try:
            pid = os.fork()
        except OSError as error:
            channel.say({"refused": f"no process can be made: {error.strerror}"})
            return
        if not pid:
            server.close()
            # who holds it is the template, for as long as it lives
            self.lock.close()
            _work(channel, request["run"])

    def _what_is_different(self, request: dict[str, Any]) -> str | None:
        if names := fingerprint.differing(fingerprint.files(), self.files):
            return f"{names} changed"
        if names := fingerprint.differing(request.get("inherited", self.inherited), self.inherited):
            return f"the environment is different ({names})"
        if self.server_id and request.get("server_id", self.server_id) != self.server_id:
            return "the code location was reloaded"
        return None

    def _what_forbids_a_fork(self) -> str | None:
        """A child would share what is named here: a lock that nobody lets go of, a connection of two."""
        process = psutil.Process()
        if (threads := process.num_threads()) != 1:
            return f"it has {threads} threads"
        if connections := process.net_connections("inet"):
            return f"it is connected to {connections[0].raddr or connections[0].laddr}"
        own = {*_STANDARD_STREAMS, self.lock.fileno()}
        if files := [file.path for file in process.open_files() if file.fd not in own]:
            return f"it has {files[0]} open"
        return None


def _work(channel: Channel, run: str) -> None:
    """Be a run's process, once who asked for it has noted which that is. Never returns."""
    code = 1
    try:
        os.setsid()
        random.seed()
        # what a step prints is kept by Dagster
        silence = os.open(os.devnull, os.O_WRONLY)
        for stream in _STANDARD_STREAMS[1:]:
            os.dup2(silence, stream)
        # a run that is terminated before it has begun has to say so, too
        with capture_interrupts():
            channel.say({"worker": Worker.current().tag})
            # who gave up waiting has hung up, and starts the run in another way
            channel.hear()
            channel.close()
            execute_run_command.main([run], standalone_mode=False)
        code = 0
    except TemplateError:
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        # the end of Python would free what the template made, for a second
        os._exit(code)


def _reap() -> None:
    """Take note of the runs that ended, or they would stay as zombies."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _note(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)


def become_template(home: Path, lock: TextIO) -> None:
    """Warm up and serve; begin anew where another template should be here; return when nobody asks any more."""
    started = time.monotonic()
    template = Template(home, lock)
    os.environ.update(_WITHOUT_THREADS)
    warm_up()
    # Dagster's way to end a run is not the template's
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.collect()
    # a collection in a child would write to every object, and so copy all of them
    gc.freeze()
    _note(f"warm after {time.monotonic() - started:.1f} s")
    with listening(home) as server:
        environment = template.serve(server)
    if environment is not None:
        # of the locks that dbt made
        multiprocessing.util._exit_function()  # pyright: ignore[reportAttributeAccessIssue]
        os.execve(sys.executable, [sys.executable, "-m", "ab_pipeline.warm_runs"], environment)
