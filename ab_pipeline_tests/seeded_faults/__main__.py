"""`python -m ab_pipeline_tests.seeded_faults [NAME ...] [--all]`: is each known fault found by its test?

The faults are put into a copy of the tree, one after the other. A fault that no longer applies fails, and so does one
whose test passes with it, or fails without it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ab_pipeline.paths import PROJECT_ROOT

FAULTS = Path(__file__).with_name("faults.toml")
TIERS = {"quick": "not slow and not thorough", "test": "not thorough"}
# a fault may have a test wait for ever
_PATIENCE_SECONDS = 900
_BY_ITS_ASSERTION = re.compile(r"^E +(assert |AssertionError|Failed: )", re.MULTILINE)
_NOT_COPIED = shutil.ignore_patterns(
    ".git", ".env", ".venv", ".browser", ".dagster", "data", "logs", "__pycache__", ".*_cache"
)


class Outcome(StrEnum):
    """What a run of pytest came to."""

    PASSED = "passed"
    FAILED = "failed"
    """By an assertion."""
    BROKEN = "broke off"


@dataclass(frozen=True)
class Fault:
    """One text in place of another, what that breaks, and the test that says so."""

    name: str
    file: str
    old: str
    new: str
    breaks: str
    test: str


class FaultError(Exception):
    """A fault that is none any more. The message says which, and why."""


def read_faults(path: Path = FAULTS) -> list[Fault]:
    """Every fault that is kept."""
    return [Fault(**fault) for fault in tomllib.loads(path.read_text())["fault"]]


@contextmanager
def applied(fault: Fault, tree: Path) -> Iterator[None]:
    """The tree with the fault in it.

    Raises:
        FaultError: what it replaces is not there, or not just once.
    """
    file = tree / fault.file
    before = file.read_text() if file.exists() else ""
    if before.count(fault.old) != 1:
        raise FaultError(f"{fault.name} applies {before.count(fault.old)} times to {fault.file}: write it anew")
    with rewritten(file, before.replace(fault.old, fault.new)):
        yield


@contextmanager
def rewritten(file: Path, text: str) -> Iterator[None]:
    """The file with another text, until the block is left."""
    before = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(before)


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of this checkout, with its environment, in which the package is the copy's."""
    with tempfile.TemporaryDirectory(prefix="ab_pipeline_faults_") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(PROJECT_ROOT, tree, ignore=_NOT_COPIED)
        (tree / ".venv").symlink_to(PROJECT_ROOT / ".venv")
        yield tree


def run_tests(tree: Path, *arguments: str) -> Outcome:
    """pytest in the copy, until the first failure."""
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        result = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Outcome.BROKEN
    if not result.returncode:
        return Outcome.PASSED
    return Outcome.FAILED if _BY_ITS_ASSERTION.search(result.stdout) else Outcome.BROKEN


def check_named_tests(tree: Path, faults: Sequence[Fault]) -> bool:
    """Whether each fault is found by its test, and by the fault alone."""
    names = sorted({fault.test for fault in faults})
    if (outcome := run_tests(tree, *names)) != Outcome.PASSED:
        print(f"The named tests have to pass without a fault, and {outcome}: run them with pytest first.")
        return False
    missed = 0
    for fault in faults:
        with applied(fault, tree):
            outcome = run_tests(tree, fault.test)
        missed += outcome != Outcome.FAILED
        print(f"{'found ' if outcome == Outcome.FAILED else 'MISSED'} {fault.name}: {fault.breaks}", flush=True)
    print(f"{len(faults) - missed} passed, {missed} failed")
    return not missed


def check_tiers(tree: Path, faults: Sequence[Fault]) -> bool:
    """Which tier finds each fault. Takes hours."""
    # the test that each fault applies would find all of them
    tests = ("--ignore", "ab_pipeline_tests/seeded_faults", "-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")
    for tier, mark in TIERS.items():
        if (outcome := run_tests(tree, *tests, "-m", mark)) != Outcome.PASSED:
            print(f"The tier {tier} has to pass without a fault, and {outcome}.")
            return False
    missed = 0
    for fault in faults:
        with applied(fault, tree):
            found = [tier for tier, mark in TIERS.items() if run_tests(tree, *tests, "-m", mark) == Outcome.FAILED]
        missed += "test" not in found
        print(f"{fault.name}: {', '.join(found) or 'MISSED'}", flush=True)
    return not missed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ab_pipeline_tests.seeded_faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="some of them; all without")
    parser.add_argument("--all", action="store_true", help="which tier finds each, instead of the named tests")
    arguments = parser.parse_args()
    faults = [fault for fault in read_faults() if not arguments.names or fault.name in arguments.names]
    if unknown := set(arguments.names) - {fault.name for fault in faults}:
        parser.error(f"no fault is called {', '.join(sorted(unknown))}")
    with copied_tree() as tree:
        try:
            return not (check_tiers if arguments.all else check_named_tests)(tree, faults)
        except FaultError as error:
            print(error)
            return 1


if __name__ == "__main__":
    sys.exit(main())
