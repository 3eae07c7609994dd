"""`python -m ab_pipeline_tests.warm_runs.template_host`: templates without a warm-up, forked from one process.

A line of JSON on standard input makes one: its home, and what a template must not have. What `serve` gives is written
to its home.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from ab_pipeline.warm_runs.channel import LOCK, listening
from ab_pipeline.warm_runs.template import Template

RESULT = "result.json"


def serve(home: Path, *, thread: bool = False, connected_to: int | None = None) -> None:
    with (home / LOCK).open("w") as lock, listening(home) as server:
        template = Template(home, lock)
        if thread:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        connection = socket.create_connection(("127.0.0.1", connected_to)) if connected_to else None
        result = template.serve(server)
    del connection
    (home / "scratch").write_text(json.dumps(result))
    (home / "scratch").rename(home / RESULT)


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if not os.fork():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            request = json.loads(line)
            serve(Path(request.pop("home")), **request)
            os._exit(0)


if __name__ == "__main__":
    main()
