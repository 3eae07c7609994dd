"""Why an experiment has no read-out: each state that it can be in, told apart."""

from __future__ import annotations

from collections.abc import Collection

from ab_pipeline.experiments.declaration import Experiment
from ab_pipeline.experiments.registry import Registry
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Session, tables_in

NOT_BUILT = "declared and not built yet: the sensor of a running Dagster does it, or `ab-pipeline refresh`"


def why_unread(session: Session, registry: Registry, read: Collection[str] = ()) -> dict[str, str]:
    """A sentence on each declared experiment but those that are `read`, in the order of the registry."""
    tables = tables_in(session, BUILT_SCHEMA)
    built: set[str] = set()
    users: dict[str, tuple[int, int]] = {}
    if {"dim_experiment", "experiment_units"} <= tables:
        built = {name for (name,) in session.rows(f"select experiment_id from {BUILT_SCHEMA}.dim_experiment")}
        users = {
            name: (int(assigned), int(counted))
            for name, assigned, counted in session.rows(
                "select experiment_id, count(*), sum(case when exclusion is null then 1 else 0 end)"
                f" from {BUILT_SCHEMA}.experiment_units group by experiment_id"
            )
        }
    return {
        one.experiment_id: _why(one, users.get(one.experiment_id)) if one.experiment_id in built else NOT_BUILT
        for one in registry.experiments
        if one.experiment_id not in read
    }


def _why(experiment: Experiment, users: tuple[int, int] | None) -> str:
    if users is None:
        variants = ", ".join(variant.variant_id for variant in experiment.variants)
        return f"it has no users: user_variant assigns nobody to {variants}"
    assigned, counted = users
    days = f"{experiment.start_date} to {experiment.end_date}"
    if not counted:
        return f"{assigned:,} users are assigned, and none of them counts: the gates' table experiment_units says why"
    return f"{assigned:,} users are assigned, and no day from {days} has events of users in variants"
