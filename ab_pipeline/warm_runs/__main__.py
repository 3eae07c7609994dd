"""Be the template of DAGSTER_HOME, unless there is one: who comes second has imported nothing."""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

from ab_pipeline.warm_runs.channel import DETACHED, LOCK


def main() -> None:
    """Hold the lock of this home for as long as the template lives."""
    if DETACHED in sys.argv and os.fork():
        # who started this need not wait for a template to end
        return
    home = Path(os.environ["DAGSTER_HOME"])
    with (home / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        from ab_pipeline.warm_runs.template import become_template

        become_template(home, lock)


if __name__ == "__main__":
    main()
