"""A tiny pipeline from raw rows to the daily table, in schemas of its own: does it work on this warehouse?

The schemas are named by the settings, so this runs in a process that was started with scratch names
(`commands/smoke.py`). Each step says what it saw, or fails with what is wrong.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ab_pipeline.automation.changes import Calendar, Changes, read_changes
from ab_pipeline.automation.scope import EVERY_DAY
from ab_pipeline.errors import UserError
from ab_pipeline.paths import PROJECT_DIR
from ab_pipeline.raw_data.contract import RAW_TABLES, SCHEMA, USER_EVENT, USER_METADATA, USER_VARIANT
from ab_pipeline.rollback import diff, roll_back
from ab_pipeline.settings import Settings, SettingsError, get_settings
from ab_pipeline.summary import row_counts
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Session, Warehouse, WarehouseError
from ab_pipeline.warehouse.connect import warehouse_of
from ab_pipeline.warehouse.redshift import NOT_PERMITTED

_DAYS = tuple(dt.date(2025, 1, day) for day in range(1, 5))
_JAN_2, _JAN_3 = _DAYS[1:3]
_DAILY = f"{BUILT_SCHEMA}.analytics_variant_user_daily"
_COLUMNS = "variant_id, user_id, datestamp, age, gender, num_of_items, num_of_clicks, num_of_purchases, revenue"
MANDATED_SELECT = f"""
select
    variant_id,
    ue.user_id,
    cast(ue.datestamp as date) as datestamp,
    age,
    gender,
    count(distinct item_id) as num_of_items,
    count(distinct case when clicked = 1 then item_id end) as num_of_clicks,
    sum(purchased) as num_of_purchases,
    sum(paidamount) as revenue
from {USER_EVENT.relation} as ue
inner join {USER_VARIANT.relation} as uv on ue.user_id = uv.user_id
inner join {USER_METADATA.relation} as um on uv.user_id = um.user_id
group by 1, 2, 3, 4, 5
"""


class SmokeError(UserError):
    """A step saw what it should not have seen."""


@dataclass(frozen=True)
class Outcome:
    """What a step saw, or why it failed."""

    step: str
    is_good: bool
    detail: str
    seconds: float


@dataclass
class Smoke:
    """The steps, in order. The first that fails ends the rest."""

    settings: Settings
    folder: Path
    """Where dbt writes."""
    warehouse: Warehouse = field(init=False)

    def __post_init__(self) -> None:
        self.warehouse = warehouse_of(self.settings)

    def steps(self) -> dict[str, Callable[[], str]]:
        """By what each shows."""
        return {
            "raw rows are written": self.raw_rows_are_written,
            "everything is built": self.everything_is_built,
            "the daily table is the SELECT": self.the_daily_table_is_the_select,
            "nothing is due": self.nothing_is_due,
            "changed rows are noticed": self.changed_rows_are_noticed,
            "a window is replaced": self.a_window_is_replaced,
            "it is the SELECT again": self.the_daily_table_is_the_select,
            "the history has both versions": self.the_history_has_both_versions,
            "a build can be rolled back": self.a_build_can_be_rolled_back,
            "a write is noticed without reading rows": self.a_write_is_noticed_without_reading_rows,
        }

    def raw_rows_are_written(self) -> str:
        """Four days of three users."""
        with self.warehouse.open(read_only=False) as session:
            session.run(f"create schema {SCHEMA}")
            for table in RAW_TABLES.values():
                session.run(table.create_statement())
            for user in (1, 2, 3):
                session.run(f"insert into {USER_VARIANT.relation} values (?, 'smoke_control', null)", [user])
                session.run(f"insert into {USER_METADATA.relation} values (?, '18-24', null, '2025-01-01')", [user])
                for day in _DAYS:
                    _add_event(session, user, day, 7)
        return f"{3 * len(_DAYS)} events in schema {SCHEMA}"

    def everything_is_built(self) -> str:
        """Seeds, views, tables, incremental models, snapshots, and every test."""
        return self._dbt()

    def the_daily_table_is_the_select(self) -> str:
        """Row for row."""
        with self.warehouse.open() as session:
            built = Counter(session.rows(f"select {_COLUMNS} from {_DAILY}"))
            expected = Counter(session.rows(MANDATED_SELECT))
        if built != expected:
            missing, surplus = (list((a - b).elements())[:3] for a, b in ((expected, built), (built, expected)))
            raise SmokeError(f"missing {missing}, too many {surplus}")
        return f"{built.total()} rows, each equal"

    def nothing_is_due(self) -> str:
        """The sensor's comparison of raw rows with what was built."""
        changes = self._changes()
        if changes.days or changes.dimensions:
            raise SmokeError(f"due without a change: {sorted(map(str, changes.days))}, {sorted(changes.dimensions)}")
        return "signatures of raw rows and of what was built from them are equal"

    def changed_rows_are_noticed(self) -> str:
        """A late event, a day that is emptied, a user who moves to another variant."""
        with self.warehouse.open(read_only=False) as session:
            _add_event(session, 1, _JAN_2, 9)
            session.run(f"delete from {USER_EVENT.relation} where cast(datestamp as date) = ?", [_JAN_3])
            session.run(f"update {USER_VARIANT.relation} set variant_id = 'smoke_new' where user_id = 2")
        changes = self._changes()
        if changes.days.keys() != {_JAN_2, _JAN_3} or changes.dimensions.keys() != {USER_VARIANT.name}:
            raise SmokeError(f"due are {sorted(map(str, changes.days))}, {sorted(changes.dimensions)}")
        return f"due are {_JAN_2}, {_JAN_3} and {USER_VARIANT.name}"

    def a_window_is_replaced(self) -> str:
        """The two days, and the rows of the user on the others, with every test."""
        return self._dbt("--event-time-start", f"{_JAN_2}T00:00:00", "--event-time-end", f"{_DAYS[3]}T00:00:00")

    def the_history_has_both_versions(self) -> str:
        """Of the user who moved."""
        with self.warehouse.open() as session:
            versions = session.rows(
                "select variant_id, dbt_valid_to is null"
                f" from {BUILT_SCHEMA}.snapshot_user_variant where user_id = 2 order by dbt_valid_from"
            )
        if versions != [("smoke_control", False), ("smoke_new", True)]:
            raise SmokeError(f"the versions are {versions}")
        return "smoke_control ended, smoke_new is current"

    def a_build_can_be_rolled_back(self) -> str:
        """The day with the late event, to before it."""
        with self.warehouse.open(read_only=False) as session:
            counts = row_counts(session)
            [changed] = diff(session, _JAN_2, _JAN_2)
            roll_back(session, [changed])
            [after] = diff(session, _JAN_2, _JAN_2)
        if after.after != changed.before:
            raise SmokeError(f"{changed.before} became {after.after}")
        return f"{len(counts)} tables read back; impressions {changed.after.impressions} -> {after.after.impressions}"

    def a_write_is_noticed_without_reading_rows(self) -> str:
        """The token that spares the sensor a comparison."""
        before = self.warehouse.writes().token
        is_still = self.warehouse.writes().token == before
        with self.warehouse.open(read_only=False) as session:
            _add_event(session, 1, _JAN_2, 11)
        if self.warehouse.writes().token == before:
            raise SmokeError("the token did not move")
        if before.startswith(NOT_PERMITTED):
            return "not permitted: the sensor compares at every tick (see Permissions in the README)"
        return "the token moved" if is_still else "the token moved, but others write as well"

    def _changes(self) -> Changes:
        with self.warehouse.open() as session:
            return read_changes(session, Calendar(_DAYS[0], _DAYS[-1]), EVERY_DAY)

    def _dbt(self, *more: str) -> str:
        """In a process of its own, which lets go of a DuckDB file when it ends."""
        command = [sys.executable, "-m", "dbt.cli.main", "build", "--exclude-resource-type", "unit_test", *more]
        command += ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)]
        command += ["--target", self.settings.target, "--quiet", "--no-use-colors"]
        command += ["--target-path", str(self.folder), "--log-path", str(self.folder)]
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        if process.returncode:
            raise SmokeError(process.stdout.strip() or process.stderr.strip())
        results = json.loads((self.folder / "run_results.json").read_bytes())["results"]
        kinds = Counter(result["unique_id"].split(".")[0] for result in results)
        return ", ".join(f"{count} {kind}s" for kind, count in sorted(kinds.items()))


def _add_event(session: Session, user: int, day: dt.date, item: int) -> None:
    noon = dt.datetime.combine(day, dt.time(12))
    session.run(f"insert into {USER_EVENT.relation} values (?, ?, ?, 1, 1, 100)", [user, noon, item])


def run(smoke: Smoke, tell: Callable[[Outcome], None]) -> bool:
    """Whether every step is good. What each saw is told as soon as it is known."""
    for name, step in smoke.steps().items():
        started = time.monotonic()
        try:
            detail, is_good = step(), True
        except (SmokeError, WarehouseError) as error:
            detail, is_good = str(error), False
        tell(Outcome(name, is_good, detail, time.monotonic() - started))
        if not is_good:
            return False
    return True


def main(folder: Path) -> int:
    """Run in this process; each outcome is a line of JSON on standard output."""
    try:
        smoke = Smoke(get_settings(), folder)
    except SettingsError as error:
        sys.exit(str(error))
    return 0 if run(smoke, lambda outcome: print(json.dumps(asdict(outcome)), flush=True)) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
