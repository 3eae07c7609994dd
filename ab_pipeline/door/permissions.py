"""Roles as Dagster's own permission maps, which its pages and resolvers ask."""

from __future__ import annotations

from collections.abc import Mapping

from dagster._core.workspace.permissions import (
    EDITOR_PERMISSIONS,
    LOCATION_SCOPED_PERMISSIONS,
    PermissionResult,
    Permissions,
)

from ab_pipeline.door.roles import Role, refusal

_PERMISSIONS = {
    Permissions.LAUNCH_PIPELINE_EXECUTION: Role.LAUNCHER,
    Permissions.LAUNCH_PIPELINE_REEXECUTION: Role.LAUNCHER,
    Permissions.TERMINATE_PIPELINE_EXECUTION: Role.LAUNCHER,
    Permissions.LAUNCH_PARTITION_BACKFILL: Role.LAUNCHER,
    Permissions.CANCEL_PARTITION_BACKFILL: Role.LAUNCHER,
    # what cannot be taken back
    Permissions.DELETE_PIPELINE_RUN: Role.ADMIN,
    Permissions.WIPE_ASSETS: Role.ADMIN,
    Permissions.EDIT_CONCURRENCY_LIMIT: Role.ADMIN,
}
"""Those of Dagster's permissions that are not an editor's."""


def permissions_of(role: Role) -> Mapping[str, PermissionResult]:
    """Dagster's permission map, which its pages and resolvers ask; the reason is what a grey button says."""
    results: dict[str, PermissionResult] = {}
    for permission, is_offered in EDITOR_PERMISSIONS.items():
        least = _PERMISSIONS.get(Permissions(permission), Role.EDITOR)
        reason = refusal(role, least) or (None if is_offered else "This Dagster does not offer it")
        results[permission] = PermissionResult(enabled=reason is None, disabled_reason=reason)
    return results


def permissions_in_location(role: Role) -> Mapping[str, PermissionResult]:
    """Those that are asked for each code location."""
    return {name: result for name, result in permissions_of(role).items() if name in LOCATION_SCOPED_PERMISSIONS}
