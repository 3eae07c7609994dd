"""The gates that look for a difference where there can be none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ab_pipeline.experiments.declaration import Direction
from ab_pipeline.experiments.gates.balance import aa_false_win, pre_period_balance
from ab_pipeline.experiments.moments import Cell
from ab_pipeline.experiments.result import Gate, Method, MetricResult, Status
from ab_pipeline.experiments.results import subjects_of
from ab_pipeline_tests.experiments.examples import cells, experiment, metric
from ab_pipeline_tests.experiments.sums import moments_of

METRIC = metric()


def balance_of(rows: list[Cell], pre_period_days: int = 14) -> Gate:
    return pre_period_balance(subjects_of(experiment(pre_period_days=pre_period_days), [METRIC], rows))


def users(before: float) -> list[Cell]:
    """The treatment's users spent so much more in the pre-period; afterwards nobody differs."""
    rng = np.random.default_rng(1)
    x, after = rng.gamma(2, 5, 2_000), rng.gamma(2, 5, 2_000)
    return cells({"off": moments_of(after, x=x), "on": moments_of(after, x=x * (1 + before))})


def test_users_who_were_alike_pass() -> None:
    assert balance_of(users(0.02)).status == Status.PASS


def test_users_who_differed_before_fail_and_the_metric_is_named() -> None:
    gate = balance_of(users(0.2))
    assert gate.status == Status.FAIL
    assert gate.detail == "revenue of on differed from the control's before the experiment began"


def test_without_a_pre_period_nobody_asks() -> None:
    assert balance_of(users(0.2), pre_period_days=0).status == Status.SKIPPED
    assert balance_of(cells({"off": moments_of([1, 2]), "on": moments_of([1, 2])})).status == Status.SKIPPED


IDS = ("revenue", "on", "off", "all")
ROW = MetricResult(*IDS, Method.WELCH, 9, 9, 1.0, 1.2, 0.2, 0.1, 0.3, None, None, None, 0.01, 0.01)


@pytest.mark.parametrize(
    ("row", "status", "detail"),
    [
        (ROW, Status.FAIL, "on wins on revenue, and gets what the control gets"),
        (replace(ROW, absolute_effect=-0.2), Status.FAIL, "on loses on revenue, and gets what the control gets"),
        (replace(ROW, p_value_adjusted=0.05), Status.PASS, "the arms do not differ, as they should not"),
        (replace(ROW, p_value_adjusted=None), Status.SKIPPED, "no metric has a p-value"),
    ],
)
def test_an_aa_experiment_that_finds_something(row: MetricResult, status: Status, detail: str) -> None:
    gate = aa_false_win(experiment(is_aa=True), [(METRIC, row)])
    assert (gate.status, gate.detail) == (status, detail)


def test_less_is_a_win_where_less_is_better() -> None:
    assert "loses" in aa_false_win(experiment(is_aa=True), [(metric(direction=Direction.DECREASE), ROW)]).detail


def test_other_experiments_may_win() -> None:
    assert aa_false_win(experiment(), [(METRIC, ROW)]).status == Status.SKIPPED
