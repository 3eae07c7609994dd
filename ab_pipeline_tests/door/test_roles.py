"""Who may do what: each role all that the one before it may."""

from __future__ import annotations

from itertools import pairwise

import pytest
from dagster._core.workspace.permissions import EDITOR_PERMISSIONS

from ab_pipeline.door.permissions import permissions_in_location, permissions_of
from ab_pipeline.door.roles import HARMLESS_MUTATIONS, Role, least_role, strongest
from ab_pipeline.settings import ROLES
from ab_pipeline_tests.door.graphql import mutations

LAUNCHES = {
    "launch_pipeline_execution",
    "launch_pipeline_reexecution",
    "terminate_pipeline_execution",
    "launch_partition_backfill",
    "cancel_partition_backfill",
}
DESTROYS = {"delete_pipeline_run", "wipe_assets", "edit_concurrency_limit"}


def enabled(role: Role) -> set[str]:
    return {str(name) for name, result in permissions_of(role).items() if result.enabled}


def test_the_settings_know_the_same_roles() -> None:
    assert tuple(Role) == ROLES


def test_each_role_has_the_permissions_of_its_line_in_the_table() -> None:
    offered = {str(name) for name, is_offered in EDITOR_PERMISSIONS.items() if is_offered}
    assert enabled(Role.VIEWER) == set()
    assert enabled(Role.LAUNCHER) == LAUNCHES
    assert enabled(Role.EDITOR) == offered - DESTROYS
    assert enabled(Role.ADMIN) == offered


@pytest.mark.parametrize(("less", "more"), list(pairwise(Role)))
def test_a_role_may_all_that_the_one_before_it_may(less: Role, more: Role) -> None:
    assert enabled(less) < enabled(more)
    assert permissions_in_location(less).keys() == permissions_in_location(more).keys()


def test_what_is_not_allowed_says_why() -> None:
    refused = permissions_of(Role.LAUNCHER)["wipe_assets"]
    assert refused.disabled_reason == "Your role is launcher: this takes the role admin"


def test_no_mutation_is_a_viewers() -> None:
    assert {name for name in mutations() if name not in HARMLESS_MUTATIONS and least_role(name) == Role.VIEWER} == set()
    assert least_role("oneOfALaterDagster") == Role.EDITOR


def test_every_mutation_that_is_named_exists() -> None:
    from ab_pipeline.door import roles

    assert {*roles._MUTATIONS, *HARMLESS_MUTATIONS} <= mutations().keys()


def test_of_several_groups_the_role_that_may_most_counts() -> None:
    assert strongest([Role.VIEWER, Role.ADMIN, Role.EDITOR]) == Role.ADMIN
    assert strongest([]) is None
