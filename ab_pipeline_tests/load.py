"""`python -m ab_pipeline_tests.load N COMMAND`: a command on a machine that N other processes keep busy."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys


def _compute() -> None:
    while True:
        sum(range(1_000_000))


def main() -> int:
    others = [multiprocessing.Process(target=_compute, daemon=True) for _ in range(int(sys.argv[1]))]
    for other in others:
        other.start()
    try:
        return subprocess.run(sys.argv[2:], check=False).returncode
    finally:
        for other in others:
            other.kill()


if __name__ == "__main__":
    sys.exit(main())
