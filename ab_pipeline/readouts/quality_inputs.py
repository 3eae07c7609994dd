"""What the gates ask of the warehouse: who was assigned, and which days are built from what the raw tables hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ab_pipeline.automation.signatures import built_days, raw_days
from ab_pipeline.experiments.evidence import AssignedUsers, Evidence, RawComparison
from ab_pipeline.experiments.moments import ALL_USERS
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Session, tables_in

DIFFERENCES = f"{BUILT_SCHEMA}.experiment_raw_differences"


@dataclass(frozen=True)
class Exposed:
    """Users of a variant and segment by the first day that counts of them."""

    variant_id: str
    segment: str
    first_day: dt.date
    several_from: dt.date | None
    """The day from which they are in several variants."""
    is_day_known: bool
    users: int
    users_without_metadata: int
    users_in_several_variants: int
    """Each told once, whatever the number of their variants."""


def evidence_as_of(
    exposed: Iterable[Exposed], comparison: RawComparison | None, day: dt.date, *, only_all_users: bool = False
) -> Evidence:
    """The counts up to the day, included."""
    there = [row for row in exposed if row.first_day <= day]
    everybody = [row for row in there if row.segment == ALL_USERS]
    in_one = [row for row in there if row.several_from is None or row.several_from > day]
    return Evidence(
        tuple(
            AssignedUsers(row.variant_id, row.segment, row.first_day if row.is_day_known else None, row.users)
            for row in in_one
            if not only_all_users or row.segment == ALL_USERS
        ),
        sum(row.users_in_several_variants for row in everybody if row.several_from and row.several_from <= day),
        sum(row.users_without_metadata for row in in_one if row.segment == ALL_USERS),
        comparison and comparison.up_to(day),
    )


def exposed_users(session: Session, experiment_ids: Sequence[str]) -> dict[str, list[Exposed]]:
    """Of each experiment."""
    found: dict[str, list[Exposed]] = {name: [] for name in experiment_ids}
    if not found:
        return found
    for name, *row in session.rows(
        f"""
        select experiment_id, variant_id, segment, first_day, several_from, is_day_known,
            users, users_without_metadata, users_in_several_variants
        from {BUILT_SCHEMA}.experiment_assignments
        where experiment_id in ({", ".join("?" * len(found))})
        """,
        list(found),
    ):
        found[name].append(Exposed(*row))
    return found


def look_days(session: Session) -> dict[str, list[dt.date]]:
    """The days that each experiment with users can be read out as of, in order: those that are built, and its last."""
    days: dict[str, list[dt.date]] = {}
    for name, day in session.rows(
        f"""
        with started as (
            select experiments.experiment_id, min(assignments.first_day) as first_day, experiments.last_day
            from {BUILT_SCHEMA}.dim_experiment as experiments
            inner join {BUILT_SCHEMA}.experiment_assignments as assignments
                on experiments.experiment_id = assignments.experiment_id
            group by experiments.experiment_id, experiments.last_day
        )
        select started.experiment_id, built_day.datestamp
        from started
        inner join {BUILT_SCHEMA}.built_day as built_day
            on built_day.datestamp >= started.first_day and built_day.datestamp <= started.last_day
        union
        select experiment_id, last_day from started
        order by 1, 2
        """
    ):
        days.setdefault(name, []).append(day)
    return days


def compare_with_raw(session: Session, since: dt.date, today: dt.date) -> RawComparison:
    """Which days before today are not built from what the raw table holds.

    A day that was equal at the last refresh, or was not compared then, is on its way: its refresh may not have begun.
    """
    raw, built = raw_days(session, since), built_days(session, since)
    compared = sorted(day for day in raw.keys() | built.keys() if day is not None and day < today)
    not_built = {day for day in compared if day not in built}
    differing = {day for day in compared if day in built and (day not in raw or built[day].events != raw[day])}
    before = set()
    if "experiment_raw_differences" in tables_in(session, BUILT_SCHEMA):
        before = {day for (day,) in session.rows(f"select datestamp from {DIFFERENCES}")}
    rolled_back = {day for (day,) in session.rows(f"select datestamp from {BUILT_SCHEMA}.rolled_back_day")}
    return RawComparison(
        *map(_ordered, (compared, not_built, differing & before, differing - before, rolled_back & set(compared)))
    )


def remember_differences(session: Session, comparison: RawComparison) -> None:
    """For the next comparison."""
    session.run(f"create table if not exists {DIFFERENCES} (datestamp date)")
    session.run(f"delete from {DIFFERENCES}")
    days = [*comparison.differing, *comparison.on_their_way]
    if days:
        session.insert(DIFFERENCES, {"datestamp": "date"}, ((day,) for day in days))


def input_fingerprints(
    session: Session, days: Mapping[str, Sequence[dt.date]], starts: Mapping[str, tuple[dt.date, int]]
) -> dict[tuple[str, dt.date], str]:
    """By experiment and day, of the events of all days that its totals are made of; starts are (start, pre-period)."""
    import hashlib

    builds = session.rows(
        f"""
        select built_day.datestamp, built_day.signature, rolled_back_day.build_id
        from {BUILT_SCHEMA}.built_day as built_day
        left join {BUILT_SCHEMA}.rolled_back_day as rolled_back_day on built_day.datestamp = rolled_back_day.datestamp
        where built_day.datestamp is not null
        order by 1
        """
    )
    found: dict[tuple[str, dt.date], str] = {}
    for name, looks in days.items():
        start, pre_days = starts[name]
        digest, place = hashlib.sha256(f"{start} {pre_days}".encode()), 0
        for day in looks:
            while place < len(builds) and builds[place][0] <= day:
                if builds[place][0] >= start - dt.timedelta(days=pre_days):
                    digest.update(repr(builds[place]).encode())
                place += 1
            found[name, day] = digest.hexdigest()[:16]
    return found


def of_experiment(comparison: RawComparison | None, start: dt.date, pre_days: int) -> RawComparison | None:
    """Of the days that an experiment reads."""
    since = start - dt.timedelta(days=pre_days)
    return comparison and replace(
        comparison, **{name: _ordered(d for d in days if d >= since) for name, days in vars(comparison).items()}
    )


def _ordered(days: Iterable[dt.date]) -> tuple[dt.date, ...]:
    return tuple(sorted(days))
