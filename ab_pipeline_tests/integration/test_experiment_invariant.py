"""THE INVARIANT, for experiments: after any build their sums are those of the daily table and the users.

A hypothesis state machine changes the raw tables of a DuckDB file (raw_changes.py), builds it through the real dbt
project, in part, in the wrong order or failing half-way, and works the sums out by hand in whole numbers.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from ab_pipeline.readouts.quality_inputs import compare_with_raw, evidence_as_of, exposed_users
from ab_pipeline.readouts.statistics import newest_statistics
from ab_pipeline.rollback import RollbackError, diff, roll_back
from ab_pipeline_tests.dbt_warehouse import DbtError, DbtWarehouse, days
from ab_pipeline_tests.experiment_reference import built_statistics, expected_statistics
from ab_pipeline_tests.integration.how_long import HowLong, how_long
from ab_pipeline_tests.integration.raw_changes import DAYS, RawChanges, midnight, moments, positions

A_DAY = timedelta(days=1)
EXPERIMENTS = "group:experiments"
TABLES = ("experiment_units", "experiment_statistics", "experiment_assignments", "experiment_distribution")
REGISTRY = """
create schema if not exists analytics;
create table analytics.experiments as
select 'checkout' as experiment_id, 'n' as name, 'h' as hypothesis, 'o' as owner, date '2025-01-02' as start_date,
       date '2025-01-03' as end_date, 1 as pre_period_days, cast(1 as double precision) as allocation, false as is_aa;
create table analytics.experiment_variants as
select 'checkout' as experiment_id, variant_id, is_control, cast(0.5 as double precision) as expected_weight
from (values ('checkout_control', true), ('checkout_new', false)) as variants(variant_id, is_control);
create table analytics.metrics as
select metric_id, kind, numerator, denominator, cast(cap as double precision) as cap, 'increase' as direction,
       'primary' as role, cast(0.05 as double precision) as minimum_effect from (values
    ('purchases', 'count', 'num_of_purchases', null, cast(null as numeric)),
    ('buyers', 'proportion', 'revenue', null, null),
    ('revenue', 'mean', 'revenue', null, 0.5), ('clicks', 'ratio', 'num_of_clicks', 'num_of_items', null)
) as metrics(metric_id, kind, numerator, denominator, cap);
"""

windows = st.sampled_from([(start, end + A_DAY) for start in DAYS for end in DAYS if start <= end])


class Experiments(RawChanges):
    def __init__(self, warehouse: DbtWarehouse) -> None:
        super().__init__(warehouse)
        with warehouse.connect() as connection:
            connection.execute(REGISTRY)
        self.is_built = False
        self.there_is_a_history()

    def day_changed(self, moment: object) -> None:
        pass

    def dimensions_changed(self) -> None:
        pass

    # Changes that the daily table does not show

    @precondition(lambda self: self.has_rows("user_variant"))
    @rule(position=positions, moment=st.one_of(moments, st.none()))
    def an_assignment_is_dated(self, position: int, moment: object) -> None:
        self.change_dimensions(
            f"update raw_data.user_variant set assigned_at = ? where {self.warehouse.row_id} = ?",
            [moment, self.pick("user_variant", position)[0]],
        )

    @rule(day=st.sampled_from(DAYS), column=st.sampled_from(["start_date", "end_date"]))
    def an_experiment_is_declared_otherwise(self, day: date, column: str) -> None:
        self.warehouse.execute(f"update analytics.experiments set {column} = ?", [day])

    @rule(pre_days=st.integers(0, 2), cap=st.sampled_from([None, 0.5, 0.9]))
    def its_pre_period_and_a_cap_are_declared_otherwise(self, pre_days: int, cap: float | None) -> None:
        self.warehouse.execute("update analytics.experiments set pre_period_days = ?", [pre_days])
        self.warehouse.execute("update analytics.metrics set cap = ? where metric_id = 'revenue'", [cap])

    @rule(is_there=st.booleans())
    def a_variant_is_declared_or_not(self, is_there: bool) -> None:
        self.warehouse.execute("delete from analytics.experiment_variants where variant_id = 'checkout_new'")
        if is_there:
            self.warehouse.execute(
                "insert into analytics.experiment_variants values ('checkout', 'checkout_new', false, 1)"
            )

    @precondition(lambda self: self.is_built)
    @rule(day=st.sampled_from(DAYS))
    def a_day_is_rolled_back(self, day: date) -> None:
        with self.warehouse.session() as session, suppress(RollbackError):
            roll_back(session, diff(session, day, day))

    # Builds

    @rule(window=windows)
    def some_days_are_refreshed(self, window: tuple[date, date]) -> None:
        self.build(days(*window))

    @rule(window=windows)
    def all_but_the_experiments_is_refreshed(self, window: tuple[date, date]) -> None:
        self.warehouse.refresh(days(*window))

    @precondition(lambda self: self.is_built)
    @rule()
    def only_the_experiments_are_refreshed(self) -> None:
        self.build(select=EXPERIMENTS)

    @precondition(lambda self: self.is_built)
    @rule(model=st.sampled_from(("dim_experiment", "dim_experiment_variant", *TABLES)))
    def one_of_their_models_is_built_alone(self, model: str) -> None:
        self.warehouse.refresh(select=model, experiments=True)

    @precondition(lambda self: self.is_built)
    @rule(state=st.sampled_from(("experiment", *TABLES[1:])), window=windows)
    def the_build_ends_halfway(self, state: str, window: tuple[date, date]) -> None:
        # needed by the last statement of the model's build
        state = state if state.startswith("experiment_") else "experiment"
        self.warehouse.execute(f"alter table analytics.built_{state} rename build_id to taken_away")
        with pytest.raises(DbtError, match="build_id"):
            self.warehouse.refresh(days(*window), experiments=True)
        self.warehouse.execute(f"alter table analytics.built_{state} rename taken_away to build_id")

    def build(self, window: Any = None, select: str = "*", *, check: bool = True) -> None:
        self.warehouse.refresh(window, select=select, experiments=True)
        self.is_built = True
        if check:
            self.check()

    # What holds after each

    def check(self) -> None:
        with self.warehouse.connect() as connection:
            expected = expected_statistics(connection)
        with self.warehouse.session() as session:
            assert built_statistics(session) == expected
            assert session.rows("select * from analytics.experiment_changes") == []

    def rows(self, table: str) -> Counter[tuple[Any, ...]]:
        return Counter(self.warehouse.execute(f"select * from analytics.{table}"))

    def teardown(self) -> None:
        self.build()
        incremental = {table: self.rows(table) for table in TABLES}
        self.warehouse.refresh(select=EXPERIMENTS, experiments=True, full=True)
        assert {table: self.rows(table) for table in TABLES} == incremental


@pytest.fixture
def state_machine(warehouse: DbtWarehouse) -> type[Experiments]:
    class ExperimentsOfTheWarehouse(Experiments):
        def __init__(self) -> None:
            super().__init__(warehouse)

    return ExperimentsOfTheWarehouse


def test_the_sums_are_those_of_the_daily_table(state_machine: type[Experiments], warehouse: DbtWarehouse) -> None:
    looked_for = how_long(warehouse.target, local=HowLong(3, 10), redshift=HowLong(1, 6), thorough=HowLong(100, 40))
    run_state_machine_as_test(state_machine, settings=looked_for)


def test_tables_that_are_older_than_the_units_are_due(warehouse: DbtWarehouse) -> None:
    experiments = Experiments(warehouse)
    experiments.build()
    experiments.events_arrive([(1, midnight(DAYS[1]), 9, 1, 1, 400)])
    experiments.all_but_the_experiments_is_refreshed((DAYS[1], DAYS[2]))
    changes = "select experiment_id, from_day, is_due from analytics.experiment_changes where experiment_id is not null"
    assert warehouse.execute(changes) == [("checkout", DAYS[1], True)]
    for table in TABLES:
        assert [is_due for *_, is_due in warehouse.execute(changes)] == [True]
        warehouse.refresh(select=table, experiments=True)
    assert warehouse.execute(changes) == []
    experiments.check()


def test_products_of_large_totals_are_exact_until_they_are_doubles(warehouse: DbtWarehouse) -> None:
    experiments = Experiments(warehouse)
    most = 2**31 - 1
    for user in (1, 2, 3):
        experiments.events_arrive([(user, midnight(DAYS[1]), item, 1, 1, most) for item in range(20)])
    experiments.build(check=False)
    with warehouse.session() as session:
        [cell] = [
            cell
            for cell in newest_statistics(session, ["checkout"])
            if (cell.metric_id, cell.segment, cell.is_capped) == ("revenue", "all", False)
        ]
    total = 20 * most + 2 * 250
    assert (cell.moments.y, cell.moments.yy) == (3 * total, float(3 * total**2))
    assert 3 * total**2 > 2**63


def test_who_gets_the_winner_after_the_end_was_in_one_variant(warehouse: DbtWarehouse) -> None:
    """TRUTH.md F1: a rollout writes a row (user, treatment, after the end) for every user of the control."""
    experiments = Experiments(warehouse)
    experiments.build()
    before = built_statistics_of(warehouse)
    warehouse.execute(
        "insert into raw_data.user_variant select user_id, 'checkout_new', timestamp '2025-01-04 09:00:00'"
        " from raw_data.user_variant where variant_id = 'checkout_control'"
    )
    experiments.build()
    assert built_statistics_of(warehouse) == before
    with warehouse.session() as session:
        exposed = exposed_users(session, ["checkout"])["checkout"]
    evidence = evidence_as_of(exposed, None, DAYS[2])
    assert evidence.users_in_several_variants == 0
    assert {row.variant_id for row in evidence.assigned} == {"checkout_control"}


def test_a_user_leaves_the_looks_from_the_second_variant_on(warehouse: DbtWarehouse) -> None:
    experiments = Experiments(warehouse)
    warehouse.execute("insert into raw_data.user_variant values (1, 'checkout_new', timestamp '2025-01-03 09:00:00')")
    experiments.build()
    with warehouse.session() as session:
        exposed = exposed_users(session, ["checkout"])["checkout"]
    first, last = (evidence_as_of(exposed, None, day, only_all_users=True) for day in DAYS[1:3])
    assert (first.users_in_several_variants, sum(row.users for row in first.assigned)) == (0, 4)
    assert (last.users_in_several_variants, sum(row.users for row in last.assigned)) == (1, 3)


def test_sums_of_a_day_do_not_show_that_there_was_a_later_one(warehouse: DbtWarehouse) -> None:
    experiments = Experiments(warehouse)
    before, first, last, _ = DAYS
    experiments.a_day_is_emptied(before)
    experiments.a_day_is_emptied(first)
    experiments.build()
    experiments.a_day_is_emptied(last)
    experiments.build()
    experiments.teardown()


def test_sums_follow_a_rollback_of_the_daily_table(warehouse: DbtWarehouse) -> None:
    experiments = Experiments(warehouse)
    experiments.build()
    before = built_statistics_of(warehouse)
    experiments.events_arrive([(1, midnight(DAYS[1]), 9, 1, 1, 400)])
    experiments.build(days(DAYS[1], DAYS[1] + A_DAY))
    assert built_statistics_of(warehouse) != before

    with warehouse.session() as session:
        roll_back(session, diff(session, DAYS[1], DAYS[1]))
    experiments.build(select=EXPERIMENTS)
    assert built_statistics_of(warehouse) == before
    with warehouse.session() as session:
        comparison = compare_with_raw(session, DAYS[0], DAYS[3])
    assert comparison.rolled_back == (DAYS[1],)


def built_statistics_of(warehouse: DbtWarehouse) -> dict[Any, Any]:
    with warehouse.session() as session:
        return dict(built_statistics(session))
