"""What is news of an experiment, from the programme that a run wrote and what was told before: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_KEEP_RUNNING = "keep running"
_ENDED = "has ended"


@dataclass(frozen=True)
class Told:
    """What was told of an experiment, or would be now."""

    verdict: str | None = None
    failing_gates: tuple[str, ...] = ()
    is_over: bool = False
    """Its planned end is reached."""

    @classmethod
    def of(cls, listed: Mapping[str, Any]) -> Told:
        """Of one experiment in the programme's JSON."""
        is_over = bool(listed["as_of"] and listed["end_date"] and listed["as_of"] >= listed["end_date"])
        return cls(listed["verdict"], tuple(listed["failing_gates"]), is_over)


@dataclass(frozen=True)
class News:
    """A message about one experiment."""

    experiment_id: str
    owner: str | None
    headlines: tuple[str, ...]
    """At least one."""
    reasons: tuple[str, ...]
    link: str

    @property
    def text(self) -> str:
        """As plain text: what changed, whose it is, why, and where to read on."""
        owner = f"Owner: {self.owner or 'nobody; name one in experiments.csv'}"
        return "\n".join([*self.headlines, owner, *(f"> {reason}" for reason in self.reasons), self.link])


def news_of(listed: Mapping[str, Any], before: Told | None, names: Mapping[str, str], link: str) -> News | None:
    """What to tell of an experiment; None of nothing.

    Args:
        listed: the experiment, in the programme's JSON.
        before: what was told of it; None if nothing ever was.
        names: of gates, for people.
        link: the address of its page.
    """
    told, first = Told.of(listed), before is None
    if told.verdict is None or (first and listed["standing"] == _ENDED):
        # what had ended before anybody could be told is history
        return None
    before = before or Told(_KEEP_RUNNING)
    headlines = []
    if told.verdict != before.verdict:
        winner = f" {listed['winner']}" if listed["winner"] else ""
        was = "" if first else f", after {before.verdict}"
        headlines.append(f"{listed['name']}: {told.verdict}{winner}{was}, as of {listed['as_of']}")
    begun = [gate for gate in told.failing_gates if gate not in before.failing_gates]
    headlines += [f'{listed["name"]}: the gate "{names.get(gate, gate)}" begins to fail' for gate in begun]
    if told.is_over and not before.is_over:
        headlines.append(f"{listed['name']}: its planned end, {listed['end_date']}, is reached: {told.verdict}")
    if not headlines:
        return None
    reasons: Sequence[str] = listed["reasons"][:3]
    return News(listed["experiment_id"], listed["owner"], tuple(headlines), tuple(reasons), link)
