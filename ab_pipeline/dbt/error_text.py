"""What went wrong, found in the text that dagster-dbt makes of dbt's error log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ab_pipeline.warehouse.retry import is_passing

_MARKER = "Errors parsed from dbt logs:"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_NODE = re.compile(r"^\s*(?:\[ERROR\]:|\w+ Error) in (?P<resource>\w+) (?P<name>\S+)")
_NO_NODE = re.compile(r"^(\d+ of \d+ .*|(\[ERROR\]: )?Encountered an error:)$")
# where it is written does not say why
_NOISE = re.compile(r"^\s*(> (in|called by) .*|compiled code at .*)?$")
_TRACEBACK = "Traceback (most recent call last):"


@dataclass(frozen=True)
class NodeError:
    """A dbt node that failed, or dbt itself (no name), and the lines that say why."""

    resource: str
    name: str
    lines: tuple[str, ...]


def without_ansi(text: str) -> str:
    """The text without colour codes."""
    return _ANSI.sub("", text)


def node_errors(text: str) -> list[NodeError]:
    """Each failed node once, in the order of the log; nothing if the text is not dagster-dbt's."""
    _, _, log = without_ansi(text).partition(_MARKER)
    found: dict[tuple[str, str], dict[str, None]] = {}
    for node, line in _lines_of_nodes(log):
        # dbt logs some errors twice
        found.setdefault(node, {}).setdefault(line)
    return [NodeError(*node, tuple(lines)) for node, lines in found.items() if lines]


def is_passing_failure(text: str) -> bool:
    """Whether every node that failed met another transaction or lost its connection, and nothing worse."""
    errors = node_errors(text)
    return bool(errors) and all(any(map(is_passing, error.lines)) for error in errors)


def _lines_of_nodes(log: str) -> Iterator[tuple[tuple[str, str], str]]:
    node = ("", "")
    in_traceback = False
    for line in log.splitlines():
        if match := _NODE.match(line):
            node, in_traceback = (match["resource"], match["name"]), False
        elif _NO_NODE.match(line):
            node, in_traceback = ("", ""), False
        elif line.strip() == _TRACEBACK:
            in_traceback = True
        elif not in_traceback and not _NOISE.match(line):
            yield node, line.strip()
