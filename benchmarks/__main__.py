"""`python -m benchmarks [NAME ...]`: the pipeline against bare SQL and plain dbt, as ratios within one run."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from ab_pipeline.sample_data.spec import SampleSpec
from benchmarks.backups import kill_each, states_that_existed
from benchmarks.calibration import calibrate
from benchmarks.cleanup import clean_up_to_a_tenth
from benchmarks.door import costs as door_costs
from benchmarks.files import load_once, write_events
from benchmarks.looks import look_costs
from benchmarks.measure import Run, machine, median_seconds
from benchmarks.readouts import DAYS
from benchmarks.readouts import costs as experiment_costs
from benchmarks.redshift import looks_at, refresh_one_day
from benchmarks.running_dagster import refresh_through_dagster_dev
from benchmarks.ticks import latencies, tick_costs
from benchmarks.warehouse import ScratchWarehouse
from benchmarks.watch import lines as watch_lines
from benchmarks.watch import watch_costs


def _scratch(
    folder: Path, *, days: int, events_per_day: int, users: int = 100_000, memory: str = "80%"
) -> ScratchWarehouse:
    spec = SampleSpec(users=users, days=days, events_per_day=events_per_day)
    warehouse = ScratchWarehouse(folder / f"{days}x{events_per_day}", spec, memory)
    if not warehouse.path.exists():
        warehouse.prepare()
    return warehouse


def b1(folder: Path, runs: int) -> None:
    """Raw to the daily table by a cold Dagster command, tests included / the mandated SELECT alone."""
    for events_per_day, goal in ((100_000, 0.7), (500_000, 0.4)):
        warehouse = _scratch(folder, days=100, events_per_day=events_per_day)
        build_seconds = median_seconds(runs, lambda: _build_all(warehouse).seconds)  # noqa: B023 called at once
        bare_seconds = median_seconds(runs, warehouse.bare_mandated)
        _print(f"B1 100 days x {events_per_day:,}", build_seconds, bare_seconds, goal=goal)


def b2(folder: Path, runs: int) -> None:
    """One day's refresh with 1,000 days of history / with 10."""
    _print("B2 one day, 1,000 days / 10 days", *(_one_day(folder, days, runs) for days in (1_000, 10)), goal=1.1)


def _one_day(folder: Path, days: int, runs: int) -> float:
    warehouse = _scratch(folder, days=days, events_per_day=10_000)
    _build_all(warehouse)
    last = warehouse.spec.end_date
    return median_seconds(runs, lambda: warehouse.materialize(last, last).seconds)


def _build_all(warehouse: ScratchWarehouse) -> Run:
    warehouse.forget_what_is_built()
    return warehouse.materialize(warehouse.spec.first_day, warehouse.spec.end_date)


def b3(folder: Path, runs: int) -> None:
    """One day's refresh by Dagster / by plain dbt, both cold; then through a running `dagster dev`."""
    warehouse = _scratch(folder, days=30, events_per_day=10_000)
    last = warehouse.spec.end_date
    _build_all(warehouse)
    dagster = median_seconds(runs, lambda: warehouse.materialize(last, last).seconds)
    dbt = median_seconds(runs, lambda: warehouse.dbt_build(last).seconds)
    everything = median_seconds(runs, lambda: warehouse.dbt_build(last, experiments=True).seconds)
    _print("B3 dagster asset materialize / dbt build", dagster, dbt, goal=1.25)
    warm = refresh_through_dagster_dev(warehouse, runs)
    _print("B3 dagster dev / dbt build", warm.daily_table, dbt, goal=0.6)
    _print("B3 dagster dev, with experiments and verdicts / dbt build with them", warm.everything, everything, goal=0.8)


def b4(folder: Path, runs: int) -> None:
    """100 M events within 4 GB / the best bare SQL for the same tables."""
    warehouse = _scratch(folder, days=100, events_per_day=1_000_000, users=1_000_000, memory="2.5GB")
    peaks: list[int] = []

    def build() -> float:
        result = _build_all(warehouse)
        peaks.append(result.peak_bytes)
        return result.seconds

    build_seconds = median_seconds(runs, build)
    warehouse.forget_what_is_built()
    _print("B4 100 M events", build_seconds, median_seconds(runs, warehouse.bare_best), goal=1.3)
    print(f"   peak memory {max(peaks) / 1e9:.2f} GB (goal: 4)")


def looks(folder: Path, runs: int, rows: int = 100_000_000) -> None:
    """The signatures of every day of 100 M rows / one bare GROUP BY over all of them."""
    for found in look_costs(folder, rows, runs):
        _print(f"A look at {rows:,} rows, {found.what} / bare GROUP BY", found.ours, found.bare, goal=1.5)


def ticks(folder: Path, runs: int) -> None:
    """A look of the sensor at 100 M raw rows: nothing changed / one day did / a bare GROUP BY over all of them."""
    warehouse = _scratch(folder, days=100, events_per_day=1_000_000, users=1_000_000)
    _build_all(warehouse)
    costs = tick_costs(warehouse, runs)
    print(f"Idle tick on 100 M events: {costs.idle * 1000:.1f} ms (goal: 5)")
    _print("Tick after one changed day / bare GROUP BY", costs.after_a_change, costs.bare_group_by, goal=1.5)


def latency(folder: Path, runs: int) -> None:
    """From the commit of a raw row to the end of the run that refreshed its day, beside a running `dagster dev`."""
    warehouse = _scratch(folder, days=30, events_per_day=10_000)
    _build_all(warehouse)
    found = sorted(latencies(warehouse, runs), key=lambda latency: latency.total)[runs // 2]
    print(
        f"Commit to refreshed: {found.total:.1f} s, of which noticed {found.noticed:.1f} (the sensor looks every 5 s),"
        f" queued and started {found.queued:.1f}, refreshed {found.refreshed:.1f}"
    )


def watch(folder: Path, runs: int, looks: int = 5_000) -> None:  # noqa: ARG001 each look is one of thousands
    """A day of the watch's looks: memory at the end / after the first 500, what a look costs."""
    costs = watch_costs(folder, looks)
    print(f"Watch, {looks:,} looks at each part:")
    for line in watch_lines(costs):
        print(line)
    ratio = costs.bytes_at_the_end / costs.bytes_after_warming
    print(f"   memory {costs.bytes_at_the_end / 1e6:.0f} MB, {ratio:.3f} of what it was after 500 looks (goal: 1.05)")


def redshift(folder: Path, runs: int) -> None:  # noqa: ARG001 a count needs no second run
    """What one day's refresh asks of Redshift with 100 days of history / with 10; what looks ask, with 1,000 and 10."""
    long, short = (refresh_one_day(folder, days) for days in (100, 10))
    for what, ours, theirs in (("statements", long.statements, short.statements), ("rows read", long.rows, short.rows)):
        ratio = f"{ours:,} / {theirs:,} = {ours / theirs:.2f} (goal: 1.1)"
        print(f"One day on Redshift, 100 days of history / 10 days, {what}: {ratio}", flush=True)
    for days in (10, 1_000):
        for seen, cost in looks_at(folder, days).items():
            print(f"A look on Redshift, {days:,} days, {seen}: {cost.statements} statements, {cost.rows:,} rows read")


def cleanup(folder: Path, runs: int) -> None:
    """A clean-up of 1,000 Dagster runs to a tenth; once, whatever the number of timings."""
    del runs
    for done in clean_up_to_a_tenth(folder, 1_000):
        print(
            f"Clean-up on {done.storage}: {done.removed} of {done.removed + done.left} runs in {done.seconds:.1f} s,"
            f" {1000 * done.seconds / done.removed:.0f} ms a run;"
            f" {done.bytes_before / 1e6:.0f} MB before, {done.bytes_after / 1e6:.0f} MB after",
            flush=True,
        )


def backups(folder: Path, runs: int) -> None:  # noqa: ARG001 what is counted is not timed
    """30 backups while runs are written; 50 kills, ten of each kind on each storage."""
    print(f"Backups while runs are written: {states_that_existed(folder, 30)} of 30 restore to a state that existed")
    for survived in kill_each(folder, 10):
        print(f"kill -9, nothing lost and the next run completed: {survived}", flush=True)


def experiments(folder: Path, _runs: int) -> None:
    """100 experiments x 10 metrics x 1 M users x 30 days: sums and read-outs / one bare aggregate query."""
    found = experiment_costs(folder)
    _print("One more day's sums / bare aggregate of 30 days, no segments", found.daily_update, found.bare, goal=1.2)
    _print("One more day's sums / bare aggregate with the same sums", found.daily_update, found.same_sums, goal=2.0)
    _print("The same day again after two users changed / it", found.after_another_age, found.same_sums, goal=2.2)
    looks = DAYS * found.same_sums
    _print("Looks as of all 30 days, from nothing / 30 of those aggregates", found.first_looks, looks, goal=2.0)
    print(f"Read-outs of a day, in Python: {found.python:.1f} s (goal: 5)", flush=True)
    _print("One more day with a cap on a metric / without", found.daily_update_with_cap, found.daily_update, goal=1.3)
    _print("One more day after 60 / after 31", found.later_daily_update, found.daily_update_with_cap, goal=1.1)


def door(folder: Path, runs: int) -> None:
    """The door / Dagster's own web server: a query that does nothing, one that reads, memory."""
    found = door_costs(folder, 100 * runs)
    for way, ours in (("a session", found.session), ("a token", found.token)):
        milliseconds = (1000 * ours.version, 1000 * found.bare.version)
        print(
            f"{{version}} by {way} / dagster-webserver: {milliseconds[0]:.1f} ms / {milliseconds[1]:.1f} ms,"
            f" {milliseconds[0] - milliseconds[1]:.1f} ms more (goal: 2)"
        )
        ratio = ours.runs / found.bare.runs
        print(
            f"100 runs by {way}: {1000 * ours.runs:.0f} ms / {1000 * found.bare.runs:.0f} ms = {ratio:.2f} (goal: 1.1)"
        )
    ours, theirs = found.session.bytes / 1e6, found.bare.bytes / 1e6
    print(f"Memory of serve / dagster-webserver: {ours:.0f} MB / {theirs:.0f} MB = {ours / theirs:.2f} (goal: 1.2)")


def calibration(_folder: Path, _runs: int) -> None:
    """The read-out's promises on 10,000 draws of each cell, and 2,000 experiments of each kind."""
    calibrate()


def files(folder: Path, runs: int) -> None:
    """5 M rows of CSV and of Parquet by `load` / by DuckDB's own reader."""
    goals = {"csv": 1.5, "parquet": 1.2}
    for ending, path in write_events(folder, 5_000_000).items():
        loads = sorted((load_once(folder, path) for _ in range(runs)), key=lambda one: one.ours / one.duckdb)
        found = loads[runs // 2]
        _print(f"load of 5 M rows of {ending} / DuckDB's reader", found.ours, found.duckdb, goal=goals[ending])
        print(f"   peak memory {max(one.peak_bytes for one in loads) / 1e9:.2f} GB (goal: 2)", flush=True)


BENCHMARKS: dict[str, Callable[[Path, int], None]] = {
    "b1": b1,
    "b2": b2,
    "b3": b3,
    "b4": b4,
    "looks": looks,
    "watch": watch,
    "ticks": ticks,
    "latency": latency,
    "redshift": redshift,
    "cleanup": cleanup,
    "backups": backups,
    "calibration": calibration,
    "door": door,
    "experiments": experiments,
    "files": files,
}


def _print(name: str, ours: float, theirs: float, *, goal: float) -> None:
    print(f"{name}: {ours:.1f} s / {theirs:.1f} s = {ours / theirs:.2f} (goal: {goal})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of: {', '.join(BENCHMARKS)}; all without")
    parser.add_argument("--runs", type=int, default=3, help="timings of each, of which the median is taken")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - BENCHMARKS.keys():
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}: choose from {', '.join(BENCHMARKS)}")
    print(f"{machine()}; medians of {arguments.runs}")
    with tempfile.TemporaryDirectory(prefix="ab-pipeline-bench-") as folder:
        for name in arguments.names or BENCHMARKS:
            BENCHMARKS[name](Path(folder), arguments.runs)


if __name__ == "__main__":
    main()
