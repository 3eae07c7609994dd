"""`python -m benchmarks.soak`: raw data changes while `dagster dev` runs and its processes are killed at random.

At the end every change must have been refreshed (zero lost), and none by two runs that succeeded (zero doubled). With
`--any-age` the days go far beyond the lookback, and no change may have waited longer than a minute for its run.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import datetime as dt
import random
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import psutil
from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from ab_pipeline.automation.raw_changes import RAW_CHANGES
from ab_pipeline.automation.runs import DIGESTS_TAG, days_of
from ab_pipeline.sample_data.spec import SampleSpec
from benchmarks.running_dagster import start_dagster_dev
from benchmarks.warehouse import MANDATED, ScratchWarehouse

_VICTIMS = {"daemon": "dagster._daemon", "code server": "api grpc", "run worker": "multiprocessing"}
_SETTLE_SECONDS = 600
_LONGEST_WAIT = 60
_OF_USERS = ("metadata", "variant")
_START_SECONDS = 60

_CHANGES: dict[str, str] = {
    "insert": "insert into raw_data.user_event select user_id, datestamp, item_id + 1, 1, 1, 500"
    " from raw_data.user_event where cast(datestamp as date) = $day limit 3",
    "update": "update raw_data.user_event set paidamount = paidamount + 1"
    " where cast(datestamp as date) = $day and purchased = 1",
    "delete": "delete from raw_data.user_event where cast(datestamp as date) = $day and item_id % 7 = 3",
    "metadata": "update raw_data.user_metadata set age = case age when '18-24' then '25-34' else '18-24' end"
    " where user_id % 97 = extract(day from cast($day as date))",
    "variant": "delete from raw_data.user_variant where user_id % 193 = extract(day from cast($day as date))",
}


@dataclass(frozen=True)
class Made:
    """A change that was committed: of the events of a day, or of users."""

    at: float
    day: dt.date | None


@dataclass(frozen=True)
class Asked:
    """A run, as the sensor requested it."""

    at: float
    began: float | None
    days: frozenset[dt.date]
    has_users: bool

    @classmethod
    def of(cls, record: RunRecord) -> Asked:
        """What Dagster stored of it."""
        run = record.dagster_run
        names = {key.path[-1] for key in run.asset_selection or ()}
        at = record.create_timestamp.timestamp()
        return cls(at, record.start_time, frozenset(days_of(run)), "dim_user_metadata" in names)

    def reads(self, made: Made) -> bool:
        """Whether it is of what was changed."""
        return self.has_users if made.day is None else made.day in self.days


@dataclass
class Soak:
    """One soak on a scratch warehouse."""

    warehouse: ScratchWarehouse
    choices: random.Random
    changes: collections.Counter[str] = field(default_factory=collections.Counter)
    kills: collections.Counter[str] = field(default_factory=collections.Counter)
    restarts: int = 0
    made: list[Made] = field(default_factory=list)
    runs: collections.Counter[str] = field(default_factory=collections.Counter)

    def run(self, seconds: float) -> None:
        """Let the first build end; change and kill until the time is up; leave Dagster alone until it has settled."""
        process = start_dagster_dev(self.warehouse)
        try:
            process = self._settled(process)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                self._change_something()
                time.sleep(self.choices.uniform(1, 4))
                if self.choices.random() < 0.15:
                    self._kill_something(process)
                    time.sleep(2)
                process = self._restarted_if_dead(process)
            process = self._settled(process)
        finally:
            _end(process)

    def _settled(self, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """The process, or the one after it, once nothing is lost or too much time has passed."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self.lost() and time.monotonic() < deadline:
            time.sleep(5)
            process = self._restarted_if_dead(process)
        return process

    def _change_something(self) -> None:
        name = self.choices.choice(list(_CHANGES))
        day = self.warehouse.spec.first_day + dt.timedelta(days=self.choices.randrange(self.warehouse.spec.days))
        parameters = {"day": day}
        with self._opened() as connection:
            [(rows,)] = connection.execute(_CHANGES[name], parameters).fetchall()
        self.changes[name] += 1
        if rows:
            self.made.append(Made(time.time(), None if name in _OF_USERS else day))

    @contextlib.contextmanager
    def _opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        while True:
            try:
                connection = duckdb.connect(self.warehouse.path)
                break
            except duckdb.IOException:
                time.sleep(0.1)
        with connection:
            yield connection

    def _kill_something(self, process: subprocess.Popen[bytes]) -> None:
        victims = list(_processes(process))
        if victims:
            name, victim = self.choices.choice(victims)
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
                self.kills[name] += 1

    def _restarted_if_dead(self, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        names = {name for name, _ in _processes(process)}
        is_starting = time.time() - psutil.Process(process.pid).create_time() < _START_SECONDS
        if process.poll() is None and (is_starting or "daemon" in names):
            return process
        _end(process)
        self.restarts += 1
        return start_dagster_dev(self.warehouse)

    def lost(self) -> int:
        """Days on which the daily table is not what the mandated SELECT says."""
        built = "select * from analytics.analytics_variant_user_daily"
        with self._opened() as connection:
            exists = connection.execute(
                "select count(*) from information_schema.tables where table_name = 'analytics_variant_user_daily'"
            ).fetchall()
            if exists == [(0,)]:
                return self.warehouse.spec.days
            differing = f"({MANDATED} except all {built}) union all ({built} except all {MANDATED})"
            [(days,)] = connection.execute(f"select count(distinct datestamp) from ({differing})").fetchall()
        return days

    def said(self) -> str:
        """What the sensor said last."""
        with DagsterInstance.from_config(str(self.warehouse.folder)) as instance:
            for state in instance.all_instigator_state():
                if state.instigator_name == RAW_CHANGES:
                    for tick in instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1):
                        return f"{tick.status.value} {tick.skip_reason} {tick.error.message if tick.error else ''}"
        return "nothing"

    def doubled(self) -> int:
        """Days that two runs built from the same events in place of the same build."""
        with DagsterInstance.from_config(str(self.warehouse.folder)) as instance:
            runs = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.SUCCESS]))
            built = collections.Counter(
                pair
                for run in runs
                for pair in zip(days_of(run), run.tags.get(DIGESTS_TAG, "").split(","), strict=False)
            )
            self.runs = collections.Counter(run.status.value for run in instance.get_runs())
        return sum(count - 1 for count in built.values())

    def waits(self) -> list[float]:
        """Seconds from the commit of each change until a run was requested that had not read before it.

        What was taken back by a later change, so that no run was needed, did not wait.
        """
        with DagsterInstance.from_config(str(self.warehouse.folder)) as instance:
            runs = [Asked.of(record) for record in instance.get_run_records(order_by="id", ascending=True)]
        found = []
        for made in self.made:
            readers = [run.at for run in runs if run.reads(made) and (run.began is None or run.began >= made.at)]
            if readers:
                found.append(max(0.0, min(readers) - made.at))
        return found


def _processes(process: subprocess.Popen[bytes]) -> Iterator[tuple[str, psutil.Process]]:
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                command = " ".join(child.cmdline())
                for name, mark in _VICTIMS.items():
                    if mark in command:
                        yield name, child


def _end(process: subprocess.Popen[bytes]) -> None:
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGKILL)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="how long to change and kill")
    parser.add_argument("--seed", type=int, default=1, help="of the changes and the kills")
    parser.add_argument("--any-age", action="store_true", help="days of a year, and a lookback of one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ab-pipeline-soak-") as folder:
        spec = SampleSpec(users=2_000, days=30, events_per_day=2_000, end_date=dt.date(2025, 1, 30))
        if arguments.any_age:
            spec = SampleSpec(users=2_000, days=365, events_per_day=500)
        warehouse = ScratchWarehouse(Path(folder) / "soak", spec, lookback_days=1 if arguments.any_age else spec.days)
        warehouse.prepare()
        soak = Soak(warehouse, random.Random(arguments.seed))
        soak.run(arguments.minutes * 60)
        lost, doubled, waits, said = soak.lost(), soak.doubled(), soak.waits(), soak.said()
    print(f"changes {dict(soak.changes)}, kills {dict(soak.kills)}, dagster dev restarted {soak.restarts} times")
    print(f"runs {dict(soak.runs)}")
    print(f"lost {lost}, doubled {doubled}; the sensor's last word: {said}")
    longest = max(waits, default=0.0)
    print(f"waited for a run: {statistics.median(waits or [0.0]):.1f} s in the median, {longest:.1f} s at the longest")
    raise SystemExit(bool(lost or doubled or (arguments.any_age and longest > _LONGEST_WAIT)))


if __name__ == "__main__":
    main()
