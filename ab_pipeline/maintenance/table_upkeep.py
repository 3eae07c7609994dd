"""VACUUM and ANALYZE on Redshift, of the tables that need them and of no other.

Redshift does both by itself when it is idle. This job does what it has not come to: replaced windows leave rows marked
as deleted behind, and new rows unsorted, so that a window reads more blocks than it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dagster import JobDefinition, MetadataValue, OpExecutionContext, ScheduleDefinition, TableRecord, job, op

from ab_pipeline.automation.schedules import TABLE_UPKEEP, default_status
from ab_pipeline.settings import Settings
from ab_pipeline.warehouse.base import BUILT_SCHEMA, PermissionDeniedError, Session, Warehouse

# percent; VACUUM itself leaves a table alone that is sorted to 95
_UNSORTED, _DELETED, _STALE_STATISTICS = 5, 10, 10


@dataclass(frozen=True)
class TableState:
    """What Redshift knows of a table, in percent: rows that are not in order, marked as deleted, and how far the
    planner's statistics are off."""

    name: str
    unsorted: float
    deleted: float
    stats_off: float

    @property
    def statements(self) -> tuple[str, ...]:
        """What it needs, in order: a sorted table is not sorted again, a table without deleted rows not shrunk."""
        relation = f"{BUILT_SCHEMA}.{self.name}"
        needs_sort, needs_space = self.unsorted > _UNSORTED, self.deleted > _DELETED
        kind = {(True, True): "full", (True, False): "sort only", (False, True): "delete only"}.get(
            (needs_sort, needs_space)
        )
        vacuum = [f"vacuum {kind} {relation} to 99 percent"] if kind else []
        # a vacuum changes what the statistics are of
        return (*vacuum, *([f"analyze {relation}"] if kind or self.stats_off > _STALE_STATISTICS else []))


def table_states(session: Session) -> list[TableState]:
    """Every table of the pipeline that has rows.

    Raises:
        PermissionDeniedError: the user may not read svv_table_info.
    """
    rows = session.rows(
        """
        select
            "table",
            coalesce(unsorted, 0),
            coalesce(100.0 * (tbl_rows - estimated_visible_rows) / nullif(tbl_rows, 0), 0),
            coalesce(stats_off, 0)
        from svv_table_info
        where "schema" = ?
        order by 1
        """,
        [BUILT_SCHEMA],
    )
    return [TableState(name, *map(float, percents)) for name, *percents in rows]


def keep_up(session: Session, states: Sequence[TableState]) -> list[str]:
    """Run what the tables need; the statements that ran. None of them may stand in a transaction."""
    statements = [statement for state in states for statement in state.statements]
    for statement in statements:
        session.run(statement)
    return statements


def table_upkeep_job(warehouse: Warehouse, pool: str) -> JobDefinition:
    """The job, which takes the place of a build: VACUUM and a build of the same table would wait for each other."""

    @op(pool=pool)
    def keep_tables_up(context: OpExecutionContext) -> None:
        with warehouse.open(read_only=False) as session:
            try:
                states = table_states(session)
            except PermissionDeniedError as error:
                context.log.warning("%s. Nothing was done: grant select on svv_table_info, or role sys:monitor.", error)
                return
            statements = keep_up(session, states)
        context.add_output_metadata(
            {
                "statements": MetadataValue.json(statements),
                "tables": MetadataValue.table([TableRecord(_record(state)) for state in states]),
            }
        )

    @job(name=TABLE_UPKEEP, description="VACUUM and ANALYZE the tables that Redshift has not come to itself.")
    def table_upkeep() -> None:
        keep_tables_up()

    return table_upkeep


def table_upkeep_schedule(upkeep: JobDefinition, settings: Settings) -> ScheduleDefinition:
    """After the night's refreshes."""
    return ScheduleDefinition(
        name=f"nightly_{TABLE_UPKEEP}",
        job=upkeep,
        cron_schedule="30 5 * * *",
        execution_timezone=settings.timezone,
        default_status=default_status(TABLE_UPKEEP, settings.target),
        description="Vacuums and analyzes the tables that need it.",
    )


def _record(state: TableState) -> Mapping[str, str | float]:
    return {
        "table": state.name,
        "unsorted %": state.unsorted,
        "deleted %": round(state.deleted, 2),
        "statistics off %": state.stats_off,
    }
