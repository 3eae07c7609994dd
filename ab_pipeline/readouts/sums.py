"""What the read-out reads: experiments, and their sums as of a day. No row of a user leaves the warehouse."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from ab_pipeline.experiments.declaration import Experiment, Variant
from ab_pipeline.experiments.evidence import AssignedUsers, Evidence, Reconciliation
from ab_pipeline.experiments.moments import ALL_USERS, Cell, Moments
from ab_pipeline.experiments.registry import Registry
from ab_pipeline.warehouse.base import BUILT_SCHEMA, HOW_TO_BUILD, Session, WarehouseError, tables_in

_MOMENTS = "users, y, d, x, z, yy, dd, xx, zz, yd, yx, yz, dx, dz, xz"
_SEGMENTS = {
    ALL_USERS: f"'{ALL_USERS}'",
    "age": "'age:' || coalesce(age, 'unknown')",
    "gender": "'gender:' || coalesce(gender, 'unknown')",
    "activity": "'activity:' || activity",
}
_RECONCILED = ("num_of_items", "num_of_purchases", "revenue")


@dataclass(frozen=True)
class AssignedOn:
    """Users of a variant and segment by the first day that counts of them."""

    variant_id: str
    segment: str
    first_day: dt.date
    is_day_known: bool
    users: int
    users_without_metadata: int
    users_in_several_variants: float


@dataclass(frozen=True)
class DaySums:
    """A measure on one day: of the events themselves, and of the units."""

    day: dt.date
    measure: str
    raw: float
    units: float


@dataclass(frozen=True)
class Counts:
    """What the gates ask of an experiment, by day, so that it can be told as of any."""

    assigned: tuple[AssignedOn, ...]
    sums: tuple[DaySums, ...]
    rolled_back_days: tuple[dt.date, ...]
    """Not in the sums."""

    def as_of(self, day: dt.date, *, only_all_users: bool = False) -> Evidence:
        """The counts up to the day, included."""
        assigned = [row for row in self.assigned if row.first_day <= day]
        everybody = [row for row in assigned if row.segment == ALL_USERS]
        return Evidence(
            tuple(
                AssignedUsers(row.variant_id, row.segment, row.first_day if row.is_day_known else None, row.users)
                for row in (everybody if only_all_users else assigned)
            ),
            round(sum(row.users_in_several_variants for row in everybody)),
            sum(row.users_without_metadata for row in everybody),
            tuple(
                Reconciliation(
                    measure,
                    sum(row.raw for row in self.sums if row.measure == measure and row.day <= day),
                    sum(row.units for row in self.sums if row.measure == measure and row.day <= day),
                )
                for measure in _RECONCILED
            ),
            tuple(rolled_back for rolled_back in self.rolled_back_days if rolled_back <= day),
        )


def experiments_there(session: Session, registry: Registry) -> tuple[Experiment, ...]:
    """The declared experiments, and the one that is inferred of variants that nobody declared.

    Raises:
        WarehouseError: nothing is built.
    """
    if "experiment_statistics" not in tables_in(session, BUILT_SCHEMA):
        raise WarehouseError(f"no experiment is built yet: {HOW_TO_BUILD}")
    inferred = session.rows(
        f"select experiment_id, name, hypothesis, owner, start_date, end_date, pre_period_days, allocation"
        f" from {BUILT_SCHEMA}.dim_experiment where is_inferred and start_date is not null"
    )
    return (
        *registry.experiments,
        *(Experiment(*row, variants=_variants(session, row[0]), is_inferred=True) for row in inferred),
    )


def _variants(session: Session, experiment_id: str) -> tuple[Variant, ...]:
    rows = session.rows(
        f"select variant_id, is_control, expected_weight from {BUILT_SCHEMA}.dim_experiment_variant"
        " where experiment_id = ? order by is_control desc, variant_id",
        [experiment_id],
    )
    return tuple(Variant(*row) for row in rows)


def days_of(session: Session, experiment_id: str) -> list[dt.date]:
    """The days that the experiment can be read out as of, in order."""
    rows = session.rows(
        f"select distinct datestamp from {BUILT_SCHEMA}.experiment_daily_sums where experiment_id = ? order by 1",
        [experiment_id],
    )
    return [day for (day,) in rows]


def cells_of(session: Session, experiment_ids: Sequence[str], as_of: dt.date) -> list[Cell]:
    """Every metric, variant and segment, as of one day."""
    return _cells(session, experiment_ids, "as_of = ?", [as_of])


def cells_of_all_users(session: Session, experiment_ids: Sequence[str], since: dt.date) -> list[Cell]:
    """Every metric and variant as of every day from `since` on, of all users only."""
    return _cells(session, experiment_ids, "as_of >= ? and segment = ?", [since, ALL_USERS])


def _cells(session: Session, experiment_ids: Sequence[str], where: str, parameters: list[object]) -> list[Cell]:
    if not experiment_ids:
        return []
    rows = session.rows(
        f"select experiment_id, metric_id, variant_id, segment, as_of, cap is not null, {_MOMENTS}"
        f" from {BUILT_SCHEMA}.experiment_statistics"
        f" where experiment_id in ({', '.join('?' * len(experiment_ids))}) and {where}",
        [*experiment_ids, *parameters],
    )
    return [
        # numbers may come as Decimal, with which statistics libraries compute in whole numbers
        Cell(experiment, metric, variant, segment, as_of, Moments(int(users), *map(float, sums)), is_capped=is_capped)
        for experiment, metric, variant, segment, as_of, is_capped, users, *sums in rows
    ]


def counts_of(session: Session, experiment_ids: Sequence[str]) -> dict[str, Counts]:
    """What the gates ask of each experiment."""
    if not experiment_ids:
        return {}
    of_experiments = f"experiment_id in ({', '.join('?' * len(experiment_ids))})"
    by_segment = " union all ".join(
        f"""
        select experiment_id, variant_id, {segment}, first_day, is_day_known,
            sum(users), sum(users_without_metadata), sum(users_in_several_variants)
        from {BUILT_SCHEMA}.experiment_assignments
        where {of_experiments}
        group by 1, 2, 3, 4, 5
        """
        for segment in _SEGMENTS.values()
    )
    assigned: dict[str, list[AssignedOn]] = {name: [] for name in experiment_ids}
    for name, variant, segment, day, is_known, users, unknown, several in session.rows(
        by_segment, [*experiment_ids] * len(_SEGMENTS)
    ):
        assigned[name].append(AssignedOn(variant, segment, day, is_known, int(users), int(unknown), float(several)))
    sums: dict[str, list[DaySums]] = {name: [] for name in experiment_ids}
    rolled_back = {day for (day,) in session.rows(f"select datestamp from {BUILT_SCHEMA}.rolled_back_day")}
    left_out: dict[str, set[dt.date]] = {name: set() for name in experiment_ids}
    for name, day, *numbers in session.rows(
        f"""
        select experiment_id, datestamp,
            {", ".join(f"sum(raw_{m}), sum(units_{m})" for m in _RECONCILED)}
        from (
            select experiment_id, datestamp,
                {", ".join(f"{m} as raw_{m}, 0 as units_{m}" for m in _RECONCILED)}
            from {BUILT_SCHEMA}.experiment_reconciliation
            union all
            select experiment_id, datestamp, {", ".join(f"0, {m}" for m in _RECONCILED)}
            from {BUILT_SCHEMA}.experiment_daily_sums
        ) as sides
        where {of_experiments}
        group by experiment_id, datestamp
        """,
        list(experiment_ids),
    ):
        if day in rolled_back:
            left_out[name].add(day)
            continue
        pairs = zip(_RECONCILED, numbers[::2], numbers[1::2], strict=True)
        sums[name] += [DaySums(day, measure, float(raw), float(units)) for measure, raw, units in pairs]
    return {
        name: Counts(tuple(assigned[name]), tuple(sums[name]), tuple(sorted(left_out[name]))) for name in experiment_ids
    }
