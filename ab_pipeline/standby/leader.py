"""The lock of the daemon that leads. It ends with the process, and a process that may have lost it ends itself.

In PostgreSQL an advisory lock, which waits in the server; else a lock on a file below DAGSTER_HOME.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from ab_pipeline.maintenance.postgres import session
from ab_pipeline.maintenance.storage import DagsterStorage, PostgresStorage, StorageError

LEADER_KEY = int.from_bytes(b"ab_daemo")
LOCK_FILE = "daemon.lock"
FENCED = 75
"""The exit code of a daemon that may no longer lead: whoever supervises it starts it again."""
ALONE_SECONDS = 10.0
"""So long a leader goes on without an answer from its lock."""
# longer, so that two never lead at once: a leader that can end itself has done so by then
GONE_SECONDS = 20.0
_BEAT_SECONDS = 1.0
_LOOK_SECONDS = 2.0
# the server drops the connection of a host that vanished
_OPTIONS = {
    "application_name": f"ab-pipeline daemon on {socket.gethostname()}",
    "options": "-c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0"
    " -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=2",
}
_STALE_LEADER = """
    select pid, pg_terminate_backend(pid)
    from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and granted and database = datid and datname = current_database()
      and (classid::bigint << 32) | objid::bigint = %s
      and clock_timestamp() - state_change > make_interval(secs => %s)
"""
Say = Callable[[str], None]


@dataclass
class Fence:
    """Ends the process when its lock has not been seen for too long, also after the process itself was stopped."""

    end: Callable[[int], None] = os._exit
    _seen: float = field(default_factory=time.monotonic)

    def seen(self, at: float | None = None) -> None:
        """The lock was ours at a moment."""
        self._seen = time.monotonic() if at is None else at

    def check(self, *_signal: object) -> None:
        """End the process, if the lock may be another's."""
        if time.monotonic() - self._seen > ALONE_SECONDS:
            self.end(FENCED)

    def stand(self, beat: Callable[[], None]) -> None:
        """From here on: a thread asks for the lock, another looks at the time, and so does a process that goes on."""
        self.seen()

        def keep_asking() -> None:
            while True:
                # an answer may have lain there while this process was stopped
                asked = time.monotonic()
                try:
                    beat()
                    self.seen(asked)
                except Exception:  # of the connection: the lock went with it
                    self.end(FENCED)
                    return
                time.sleep(_BEAT_SECONDS)

        def keep_looking() -> None:
            while True:
                self.check()
                time.sleep(_BEAT_SECONDS / 4)

        for loop in (keep_asking, keep_looking):
            threading.Thread(target=loop, name=f"fence {loop.__name__}", daemon=True).start()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCONT, self.check)


@contextmanager
def leading(storage: DagsterStorage, home: Path, say: Say, fence: Fence | None = None) -> Iterator[None]:
    """Wait until this process leads, and lead for the block.

    Raises:
        StorageError: the database cannot be asked for the lock.
    """
    fence = fence or Fence()
    # Dagster takes the signals over when it starts; until then they end the process, also while C waits for the server
    before = {one: signal.signal(one, signal.SIG_DFL) for one in (signal.SIGINT, signal.SIGTERM)}
    if isinstance(storage, PostgresStorage):
        with session(storage, **_OPTIONS) as cursor:
            stop = threading.Event()
            threading.Thread(target=_drop_stale_leaders, args=(storage, stop, say), daemon=True).start()
            cursor.execute("select pg_advisory_lock(%s)", [LEADER_KEY])
            stop.set()
            _restore(before)
            fence.stand(lambda: cursor.execute("select 1"))
            yield
    else:
        home.mkdir(parents=True, exist_ok=True)
        with (home / LOCK_FILE).open("a+b", buffering=0) as file:
            _wait_for_file(file, say)
            _restore(before)
            file.truncate(0)
            me = psutil.Process()
            file.write(json.dumps({"pid": me.pid, "created": me.create_time()}).encode())
            fence.stand(lambda: os.utime(file.fileno()))
            yield


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for one, handler in handlers.items():
        signal.signal(one, handler)


def _drop_stale_leaders(storage: PostgresStorage, stop: threading.Event, say: Say) -> None:
    """A leader that was stopped, or that hangs, keeps its connection: the server ends it, and so its lock."""
    while not stop.wait(_LOOK_SECONDS):
        with suppress(StorageError), session(storage, **{**_OPTIONS, "connect_timeout": 5}) as cursor:
            cursor.execute(_STALE_LEADER, [LEADER_KEY, GONE_SECONDS])
            for pid, _ in cursor.fetchall():
                say(f"the leading daemon, PostgreSQL connection {pid}, has not answered for {GONE_SECONDS:.0f} s")


def _wait_for_file(file: IO[bytes], say: Say) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.time() - os.fstat(file.fileno()).st_mtime > GONE_SECONDS:
                _end_holder(file, say)
            time.sleep(0.1)
        else:
            return


def _end_holder(file: IO[bytes], say: Say) -> None:
    """On one host a daemon that was stopped, or that hangs, is ended: its lock cannot be taken from it."""
    file.seek(0)
    try:
        said = json.loads(file.read())
        process = psutil.Process(said["pid"])
        if abs(process.create_time() - said["created"]) < 1:
            say(f"the leading daemon, process {process.pid}, has not answered for {GONE_SECONDS:.0f} s: it is ended")
            process.kill()
    except (ValueError, KeyError, TypeError, psutil.Error):
        # it is just beginning, or just gone
        return
