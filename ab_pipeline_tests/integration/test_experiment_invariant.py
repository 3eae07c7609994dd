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

from ab_pipeline.readouts.sums import counts_of
from ab_pipeline.rollback import RollbackError, diff, roll_back
from ab_pipeline_tests.dbt_warehouse import DbtError, DbtWarehouse, days
from ab_pipeline_tests.experiment_reference import built_statistics, expected_statistics
from ab_pipeline_tests.integration.how_long import HowLong, how_long
from ab_pipeline_tests.integration.raw_changes import DAYS, RawChanges, midnight, moments, positions

A_DAY = timedelta(days=1)
EXPERIMENTS = "group:experiments"
INCREMENTAL = ("experiment_units", "experiment_daily_sums", "experiment_capped_sums", "experiment_reconciliation")
REGISTRY = """
create schema if not exists analytics;
create table analytics.experiments as
select 'checkout' as experiment_id, 'n' as name, 'h' as hypothesis, 'o' as owner, date '2025-01-02' as start_date,
       date '2025-01-03' as end_date, 1 as pre_period_days, cast(1 as double precision) as allocation, false as is_aa;
create table analytics.experiment_variants as
select 'checkout' as experiment_id, variant_id, is_control, cast(0.5 as double precision) as expected_weight
from (values ('checkout_control', true), ('checkout_new', false)) as variants(variant_id, is_control);
create table analytics.metrics as
select metric_id, kind, numerator, denominator, cast(cap as double precision) as cap from (values
    ('purchases', 'count', 'num_of_purchases', null, cast(null as numeric)),
    ('buyers', 'proportion', 'revenue', null, null),
    ('revenue', 'mean', 'revenue', null, 0.5), ('clicks', 'ratio', 'num_of_clicks', 'num_of_items', null)
) as metrics(metric_id, kind, numerator, denominator, cap);
"""

REFUSED = "which is itself older than what it is made of"
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
    @rule(model=st.sampled_from(("dim_experiment", *INCREMENTAL)))
    def one_of_their_models_is_built_alone(self, model: str) -> None:
        try:
            self.warehouse.refresh(select=model, experiments=True)
        except DbtError as error:
            if REFUSED not in str(error):
                raise

    @precondition(lambda self: self.is_built)
    @rule(model=st.sampled_from(INCREMENTAL), window=windows)
    def the_build_ends_halfway(self, model: str, window: tuple[date, date]) -> None:
        # needed by the last statement of the model's build
        self.warehouse.execute(f"alter table analytics.built_{model} rename definition to taken_away")
        with pytest.raises(DbtError, match="definition"):
            self.warehouse.refresh(days(*window), experiments=True)
        self.warehouse.execute(f"alter table analytics.built_{model} rename taken_away to definition")

    def build(self, window: Any = None, select: str = "*") -> None:
        self.warehouse.refresh(window, select=select, experiments=True)
        self.is_built = True
        self.check()

    # What holds after each

    def check(self) -> None:
        with self.warehouse.connect() as connection:
            assert built_statistics(connection) == expected_statistics(connection)
            sums = "select datestamp, sum(num_of_items), sum(num_of_purchases), sum(revenue) from analytics"
            settled = "datestamp not in (select datestamp from analytics.rolled_back_day) group by 1 order by 1"
            assert (
                connection.execute(f"{sums}.experiment_reconciliation where {settled}").fetchall()
                == connection.execute(f"{sums}.experiment_daily_sums where active_users > 0 and {settled}").fetchall()
            )

    def rows(self, table: str) -> Counter[tuple[Any, ...]]:
        """Of what a build writes, all but its own id."""
        rows = self.warehouse.execute(f"select * from analytics.{table}")
        return Counter(row[:-1] if table.endswith("_sums") else row for row in rows)

    def teardown(self) -> None:
        self.build()
        incremental = {table: self.rows(table) for table in INCREMENTAL}
        self.warehouse.refresh(select=EXPERIMENTS, experiments=True, full=True)
        assert {table: self.rows(table) for table in INCREMENTAL} == incremental


@pytest.fixture
def state_machine(warehouse: DbtWarehouse) -> type[Experiments]:
    class ExperimentsOfTheWarehouse(Experiments):
        def __init__(self) -> None:
            super().__init__(warehouse)

    return ExperimentsOfTheWarehouse


def test_the_sums_are_those_of_the_daily_table(state_machine: type[Experiments], warehouse: DbtWarehouse) -> None:
    looked_for = how_long(warehouse.target, local=HowLong(3, 10), redshift=HowLong(1, 6), thorough=HowLong(100, 40))
    run_state_machine_as_test(state_machine, settings=looked_for)


def test_sums_are_not_made_of_older_units(warehouse: DbtWarehouse) -> None:
    experiments = Experiments(warehouse)
    experiments.build()
    experiments.events_arrive([(1, midnight(DAYS[1]), 9, 1, 1, 400)])
    experiments.all_but_the_experiments_is_refreshed((DAYS[0], DAYS[-1] + A_DAY))
    units, *sums = INCREMENTAL
    for model in sums:
        with pytest.raises(DbtError, match=f"{model} is made of {units}, {REFUSED}"):
            warehouse.refresh(select=model, experiments=True)

    warehouse.refresh(select=units, experiments=True)
    with pytest.raises(DbtError, match=f"experiment_capped_sums is made of experiment_daily_sums, {REFUSED}"):
        warehouse.refresh(select="experiment_capped_sums", experiments=True)

    experiments.build(select=EXPERIMENTS)


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
    # its events are those of the build that was taken back
    with warehouse.session() as session:
        counts = counts_of(session, ["checkout"])["checkout"]
    assert counts.rolled_back_days == (DAYS[1],)
    assert {row.day for row in counts.sums} == {DAYS[2]}
    assert all(row.raw == row.units for row in counts.sums)


def built_statistics_of(warehouse: DbtWarehouse) -> dict[Any, Any]:
    with warehouse.connect() as connection:
        return dict(built_statistics(connection))
