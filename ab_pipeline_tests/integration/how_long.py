"""How long a state machine looks for a counterexample: HYPOTHESIS_PROFILE=thorough looks for hours."""

from __future__ import annotations

import os
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, settings


@dataclass(frozen=True)
class HowLong:
    """Sequences of changes, and the most changes of one."""

    examples: int
    steps: int

    def settings(self) -> settings:
        # a failure is shown as it was found: making it smaller takes minutes, and is left to the thorough profile
        unhurried = {Phase.shrink, Phase.explain} if not is_thorough() else set[Phase]()
        return settings(
            max_examples=self.examples,
            stateful_step_count=self.steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
            phases=set(Phase) - unhurried,
        )


def is_thorough() -> bool:
    return os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


def how_long(target: str, *, local: HowLong, redshift: HowLong, thorough: HowLong) -> settings:
    """A refresh of the stand-in takes twice as long as one of a file, so that there are fewer."""
    return (thorough if is_thorough() else {"local": local, "redshift": redshift}[target]).settings()
