"""`dbt source freshness`, run in this process: how old the newest row of each raw table is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from dagster_dbt import DbtProject

from ab_pipeline.dbt.api import close_connections, run_dbt
from ab_pipeline.errors import UserError

if TYPE_CHECKING:
    from dbt.artifacts.schemas.freshness import PartialSourceFreshnessResult, SourceFreshnessResult


@dataclass(frozen=True)
class SourceFreshness:
    """What dbt says of a source: pass, warn, error, or runtime error with a message."""

    status: str
    message: str = ""
    newest: datetime | None = None
    age: timedelta | None = None


class DbtError(UserError):
    """dbt could not ask the warehouse at all. The message is dbt's own."""


def source_freshness(project: DbtProject) -> dict[str, SourceFreshness]:
    """By unique_id, each source that has a threshold. The caller holds the warehouse pool.

    Raises:
        DbtError: the warehouse is locked or out of reach.
    """
    target_path = project.manifest_path.parent
    command = ["source", "freshness", "--no-write-json", "--log-level", "none", "--log-path", str(target_path)]
    command += ["--project-dir", str(project.project_dir), "--profiles-dir", str(project.profiles_dir)]
    command += ["--target", cast("str", project.target), "--target-path", str(target_path)]
    try:
        result = run_dbt(command)
    finally:
        close_connections()
    if result.exception:
        raise DbtError(result.exception)
    nodes = result.results.results
    return {node.node.unique_id: _freshness(node) for node in nodes if node.node.resource_type == "source"}


def _freshness(node: SourceFreshnessResult | PartialSourceFreshnessResult) -> SourceFreshness:
    newest = getattr(node, "max_loaded_at", None)
    if newest is None:
        return SourceFreshness(str(node.status), node.message or "")
    # dbt's word for an empty table
    if newest.year == 1:
        return SourceFreshness(str(node.status), "the table has no rows")
    return SourceFreshness(str(node.status), newest=newest, age=timedelta(seconds=round(getattr(node, "age", 0))))
