"""The sufficient statistics of experiments, as of the day they were built for or of any before it.

Both are one query, `dbt_project/macros/statistics.sql`: dbt renders it for `experiment_statistics`, this module for the
days that no table is kept of. No row of a user leaves the warehouse.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from functools import cache

from ab_pipeline.experiments.moments import Cell, Moments
from ab_pipeline.experiments.registry import MEASURES
from ab_pipeline.paths import PROJECT_DIR
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Row, Session

METRICS = f"{BUILT_SCHEMA}.built_metric"
"""The metrics that the built statistics are of."""
_COLUMNS = ", ".join(
    [
        "experiment_id",
        "metric_id",
        "variant_id",
        "segment",
        "as_of",
        "is_capped",
        *(one.name for one in fields(Moments)),
    ]
)


def newest_statistics(session: Session, experiment_ids: Sequence[str]) -> list[Cell]:
    """Every metric, variant and segment of some experiments, each as of the day that it is built for."""
    if not experiment_ids:
        return []
    rows = session.rows(
        f"select {_COLUMNS} from {BUILT_SCHEMA}.experiment_statistics"
        f" where experiment_id in ({', '.join('?' * len(experiment_ids))})",
        list(experiment_ids),
    )
    return list(_cells(rows))


def statistics_as_of(
    session: Session, experiment_ids: Sequence[str], day: dt.date, *, only_all_users: bool = False
) -> list[Cell]:
    """The same as of an older day, of who was assigned and not excluded by then."""
    names = ", ".join(literal(name) for name in experiment_ids)
    units = _macro("units_as_of")(
        f"cast('{day}' as date)",
        f"{BUILT_SCHEMA}.experiment_units",
        f"{BUILT_SCHEMA}.analytics_variant_user_daily",
        names,
        MEASURES,
    )
    return statistics_of(session, units, only_all_users=only_all_users)


def statistics_of(session: Session, units: str, *, only_all_users: bool = False) -> list[Cell]:
    """Of a query that gives units with their totals."""
    query = _macro("statistics_of")(units, METRICS, MEASURES, only_all_users=only_all_users)
    return list(_cells(session.rows(f"select {_COLUMNS} from ({query}) as statistics")))


def _cells(rows: Iterable[Row]) -> Iterator[Cell]:
    for experiment, metric, variant, segment, as_of, is_capped, users, *sums in rows:
        # numbers may come as Decimal, with which statistics libraries compute in whole numbers
        moments = Moments(int(users), *map(float, sums))
        yield Cell(experiment, metric, variant, segment, as_of, moments, is_capped=is_capped)


@cache
def _macro(name: str) -> Callable[..., str]:
    from jinja2 import Environment, StrictUndefined

    text = (PROJECT_DIR / "macros" / "statistics.sql").read_text(encoding="utf-8")
    return getattr(Environment(undefined=StrictUndefined).from_string(text).module, name)


def literal(text: str) -> str:
    """A text inside of SQL that takes no parameters."""
    return "'" + text.replace("'", "''") + "'"
