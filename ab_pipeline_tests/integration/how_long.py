"""How long a state machine looks for a counterexample: HYPOTHESIS_PROFILE=thorough looks for hours."""

from __future__ import annotations

import os
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, settings


class HowLong(NamedTuple):
    """Sequences of changes, and the most changes of one."""

    examples: int
    steps: int


def how_long(target: str, *, local: HowLong, redshift: HowLong, thorough: HowLong) -> settings:
    """A refresh of the stand-in takes twice as long as one of a file, so that there are fewer."""
    is_thorough = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
    chosen = thorough if is_thorough else {"local": local, "redshift": redshift}[target]
    # a failure is shown as it was found: making it smaller takes minutes, and is left to the thorough profile
    left_out = set[Phase]() if is_thorough else {Phase.shrink, Phase.explain}
    return settings(
        max_examples=chosen.examples,
        stateful_step_count=chosen.steps,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        phases=set(Phase) - left_out,
    )
