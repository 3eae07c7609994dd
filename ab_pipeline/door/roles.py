"""Four roles, each with all that the one before it may, and who may send which mutation."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Role(StrEnum):
    """From the one that only reads to the one that may destroy."""

    VIEWER = "viewer"
    LAUNCHER = "launcher"
    EDITOR = "editor"
    ADMIN = "admin"

    def may(self, least: Role) -> bool:
        """Whether this role is `least` or more."""
        order = list(Role)
        return order.index(self) >= order.index(least)


ROLE_NAMES = frozenset(str(role) for role in Role)


def strongest(roles: Iterable[Role]) -> Role | None:
    """The role that may most; None of none."""
    return max(roles, key=list(Role).index, default=None)


HARMLESS_MUTATIONS = frozenset({"logTelemetry", "setNuxSeen"})
"""What Dagster's pages send by themselves, whoever looks at them."""

_LAUNCHING = (
    "launchPipelineExecution",
    "launchRun",
    "launchMultipleRuns",
    "launchPipelineReexecution",
    "launchRunReexecution",
    "terminatePipelineExecution",
    "terminateRun",
    "terminateRuns",
    "launchPartitionBackfill",
    "resumePartitionBackfill",
    "reexecutePartitionBackfill",
    "cancelPartitionBackfill",
)
_DESTROYING = (
    "deletePipelineRun",
    "deleteRun",
    "wipeAssets",
    "setConcurrencyLimit",
    "deleteConcurrencyLimit",
    "freeConcurrencySlotsForRun",
    "freeConcurrencySlots",
)
_MUTATIONS = {**dict.fromkeys(_LAUNCHING, Role.LAUNCHER), **dict.fromkeys(_DESTROYING, Role.ADMIN)}


def least_role(mutation: str) -> Role:
    """Who may send a mutation of Dagster's GraphQL. One that a later Dagster adds is an editor's."""
    return _MUTATIONS.get(mutation, Role.EDITOR)


def refusal(role: Role, least: Role) -> str | None:
    """Why the role may not do what takes `least`; None if it may."""
    return None if role.may(least) else f"Your role is {role}: this takes the role {least}"
