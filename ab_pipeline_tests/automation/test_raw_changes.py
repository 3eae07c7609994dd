"""What a tick requests: which days, in which runs, of which assets. On a real instance and a DuckDB file."""

from __future__ import annotations

from datetime import timedelta

import pytest
from dagster import DagsterRun

from ab_pipeline.settings import Settings
from ab_pipeline_tests.automation.two_days import EVENT, JAN, reason
from ab_pipeline_tests.daemon import Daemon, days
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse

DIMENSIONS = {"dim_user", "dim_user_metadata", "dim_user_variant", "snapshot_user_metadata", "snapshot_user_variant"}
FACTS = {"fact_user_event"}
SEEDS = {"experiments", "experiment_variants", "metrics"}
EXPERIMENTS = {"dim_experiment", "dim_experiment_variant"} | {
    f"experiment_{name}"
    for name in (
        "changes",
        "exposures",
        "units",
        "assignments",
        "distribution",
        "statistics",
    )
}
# whatever changed, the read-out of it follows in the same run
ANALYTICS = {"analytics_variant_user_daily"} | SEEDS | EXPERIMENTS


def selected(run: DagsterRun) -> set[str]:
    return {key.to_user_string() for key in run.asset_selection or ()}


# What is requested


def test_the_first_tick_requests_every_day_and_everything(daemon: Daemon, warehouse: DbtWarehouse) -> None:
    for day in JAN[:3]:
        warehouse.execute(EVENT, [day])
    [run] = daemon.tick()
    assert days([run]) == JAN[:3]
    assert selected(run) == FACTS | ANALYTICS | DIMENSIONS


def test_each_run_of_the_first_tick_can_do_without_the_others(daemon: Daemon, warehouse: DbtWarehouse) -> None:
    for day in (JAN[0], JAN[2]):
        warehouse.execute(EVENT, [day])
    [newest, oldest] = daemon.tick()
    daemon.instance.report_run_canceled(newest)
    assert days([oldest]) == [JAN[0]]
    assert daemon.execute(oldest)


def test_a_changed_event_requests_its_day_without_the_dimensions(built: Daemon, warehouse: DbtWarehouse) -> None:
    warehouse.execute("update raw_data.user_event set paidamount = 1 where datestamp = ?", [JAN[0]])
    [run] = built.tick()
    assert days([run]) == [JAN[0]]
    assert selected(run) == FACTS | ANALYTICS


@pytest.mark.parametrize(
    "change",
    [
        "update raw_data.user_metadata set age = '25-34'",
        "insert into raw_data.user_variant values (1, 'checkout_new', null)",
    ],
)
def test_a_changed_user_requests_the_newest_day_without_the_facts(
    built: Daemon, warehouse: DbtWarehouse, change: str
) -> None:
    warehouse.execute(change)
    [run] = built.tick()
    assert days([run]) == [JAN[1]]
    assert selected(run) == ANALYTICS | DIMENSIONS


def test_a_run_checks_what_it_builds_and_the_raw_rows_it_reads(built: Daemon, warehouse: DbtWarehouse) -> None:
    warehouse.execute(EVENT, [JAN[1]])
    [run] = built.tick()
    checks = run.asset_check_selection or set()
    assert {check.asset_key.to_user_string() for check in checks} <= selected(run) | {"raw_data/user_event"}
    assert {check.name for check in checks} >= {
        "unique_key_analytics_variant_user_daily_variant_id__user_id__datestamp",
        "facts_equal_raw_events",
        "source_not_null_raw_data_user_event_user_id",
    }


def test_changed_users_come_with_the_newest_changed_day_and_only_with_that(
    built: Daemon, warehouse: DbtWarehouse
) -> None:
    warehouse.execute("update raw_data.user_metadata set age = '25-34'")
    for day in (JAN[4], JAN[6]):
        warehouse.execute(EVENT, [day])
    built.cursor = None
    newest, other = built.tick()
    assert (days([newest]), days([other])) == ([JAN[6]], [JAN[4]])
    assert selected(newest) == FACTS | ANALYTICS | DIMENSIONS
    assert selected(other) == FACTS | ANALYTICS


def test_events_without_a_day_come_with_the_newest(built: Daemon, warehouse: DbtWarehouse) -> None:
    warehouse.execute(EVENT, [None])
    [run] = built.tick()
    assert (days([run]), selected(run)) == ([JAN[1]], FACTS | ANALYTICS)


def test_experiments_that_a_run_did_not_reach_are_requested(built: Daemon, warehouse: DbtWarehouse) -> None:
    for seed in ("experiments", "experiment_variants", "metrics"):
        warehouse.dbt("seed", "--select", seed)
    warehouse.refresh(experiments=True)
    built.tick()
    assert built.tick() == []
    warehouse.execute(EVENT, [JAN[1]])
    warehouse.refresh()
    [run] = built.tick()
    assert (days([run]), selected(run)) == ([JAN[1]], ANALYTICS)
    assert built.execute(run)
    assert built.tick() == []


def test_a_day_of_any_age_is_requested_at_the_next_look(built: Daemon, warehouse: DbtWarehouse) -> None:
    warehouse.execute(EVENT, [JAN[9]])
    warehouse.refresh()
    built.tick()
    warehouse.execute("update raw_data.user_event set paidamount = 1 where datestamp = ?", [JAN[0]])
    assert days(built.tick()) == [JAN[0]]


def test_a_day_beyond_the_lookback_is_found_by_the_sweep(built: Daemon, warehouse: DbtWarehouse) -> None:
    """Where looks have a budget, and it is spent."""
    frugal = Daemon(Settings(full_looks_per_hour=1), built.instance, built.now)
    warehouse.execute(EVENT, [JAN[9]])
    warehouse.refresh()
    frugal.tick()
    warehouse.execute("update raw_data.user_event set paidamount = 1 where datestamp = ?", [JAN[0]])
    assert frugal.tick() == []
    assert days(frugal.sweep()) == [JAN[0]]


# Never lost, never double


def test_two_ticks_at_the_same_state_ask_for_the_same_run(built: Daemon, warehouse: DbtWarehouse) -> None:
    warehouse.execute(EVENT, [JAN[1]])
    one, other = built.evaluate().run_requests or [], built.evaluate().run_requests or []
    assert [request.run_key for request in one] == [request.run_key for request in other] != []
    assert len(built.submit([*one, *other])) == 1


def test_a_day_in_flight_is_not_requested_and_says_so(built: Daemon, warehouse: DbtWarehouse) -> None:
    warehouse.execute(EVENT, [JAN[1]])
    assert len(built.tick()) == 1
    assert "2025-01-02 is being refreshed" in reason(built)
    # the events that it will build may be others by now
    warehouse.execute(EVENT, [JAN[1]])
    assert built.tick() == []


def test_what_the_sensor_is_about_to_request_the_sweep_does_not_and_the_other_way_round(
    built: Daemon, warehouse: DbtWarehouse
) -> None:
    warehouse.execute(EVENT, [JAN[1]])
    assert len(built.evaluate().run_requests or []) == 1
    # the daemon was killed before it made a run of it
    sweep = built.evaluate_sweep()
    assert sweep.requests == []
    assert sweep.sentences[1:] == ("2025-01-02 is being refreshed by a run that raw_changes has just requested",)
    built.now += timedelta(minutes=2)
    assert len(built.evaluate_sweep().requests) == 1
    assert "2025-01-02 is being refreshed" in reason(built)
    built.now += timedelta(minutes=2)
    assert days(built.tick()) == [JAN[1]]


def test_a_due_day_stays_in_sight(built: Daemon, warehouse: DbtWarehouse) -> None:
    warehouse.execute("delete from raw_data.user_event where datestamp = ?", [JAN[0]])
    [run] = built.tick()
    built.instance.report_run_canceled(run)
    # meanwhile the lookback moves on
    warehouse.execute(EVENT, [JAN[20]])
    built.now += timedelta(minutes=5)
    assert days(built.tick()) == [JAN[0], JAN[20]]


def test_a_lost_cursor_costs_a_comparison_and_nothing_else(built: Daemon, warehouse: DbtWarehouse) -> None:
    built.cursor = None
    assert reason(built).startswith("compared: 2 days; what is built is what the raw tables say; looked at ")
    warehouse.execute(EVENT, [JAN[1]])
    built.tick()
    built.cursor = None
    assert built.tick() == []


def test_what_one_tick_cannot_request_the_next_ones_do(built: Daemon, warehouse: DbtWarehouse) -> None:
    scattered = JAN[2::2]
    for day in scattered:
        warehouse.execute(EVENT, [day])
    built.cursor = None
    first, second = built.tick(), built.tick()
    assert days(first) == scattered[-10:]
    assert days(first + second) == scattered
    assert built.tick() == []


def test_the_same_events_that_went_away_before_the_run_are_requested_again(
    built: Daemon, warehouse: DbtWarehouse
) -> None:
    """A loader that empties a day and fills it again, with a run in between that found it empty."""
    warehouse.execute(EVENT, [JAN[4]])
    [run] = built.tick()
    warehouse.execute("delete from raw_data.user_event where datestamp = ?", [JAN[4]])
    assert built.execute(run)
    assert built.tick() == []
    warehouse.execute(EVENT, [JAN[4]])
    assert days(built.tick()) == [JAN[4]]


def test_a_failure_that_is_forgotten_is_tried_again(built: Daemon, warehouse: DbtWarehouse) -> None:
    """As after a weekend without a daemon."""
    warehouse.execute(EVENT, [JAN[1]])
    [run] = built.tick()
    built.instance.report_run_failed(run)
    assert "2025-01-02 failed once" in reason(built)
    built.now += timedelta(days=3)
    assert days(built.tick()) == [JAN[1]]


def test_a_correction_that_is_taken_back_is_refreshed_both_times(built: Daemon, warehouse: DbtWarehouse) -> None:
    for amount in (1, 100, 1):
        warehouse.execute("update raw_data.user_event set paidamount = ? where datestamp = ?", [amount, JAN[0]])
        [run] = built.tick()
        assert built.execute(run)
        assert warehouse.execute(
            "select revenue from analytics.analytics_variant_user_daily where datestamp = ?", [JAN[0]]
        ) == [(amount,)]


def test_a_first_build_that_ended_before_the_users_were_joined_is_made_good(
    daemon: Daemon, warehouse: DbtWarehouse
) -> None:
    warehouse.execute(EVENT, [JAN[0]])
    warehouse.refresh(select="dim_user_variant dim_user_metadata")
    [run] = daemon.tick()
    assert "dim_user" in selected(run)
    assert daemon.execute(run)
