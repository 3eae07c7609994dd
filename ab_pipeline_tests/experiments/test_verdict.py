"""The rule of the verdict as a decision table: the one in ARCHITECTURE.md."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from ab_pipeline.experiments.declaration import Direction, MetricRole
from ab_pipeline.experiments.result import Gate, Method, MetricResult, Status, Verdict
from ab_pipeline.experiments.verdict import (
    Finding,
    Phase,
    experiment_verdict,
    guardrail_finding,
    primary_finding,
    treatment_verdict,
)
from ab_pipeline_tests.experiments.examples import metric

BETTER, WORSE, NONE, SAFE, UNSURE, NO_NUMBER = (
    Finding.BETTER,
    Finding.WORSE,
    Finding.NO_DIFFERENCE,
    Finding.SAFE,
    Finding.NOT_SHOWN_SAFE,
    Finding.NO_NUMBER,
)
SHIP, NO, RUN, REFUSE = Verdict.SHIP, Verdict.DO_NOT_SHIP, Verdict.KEEP_RUNNING, Verdict.DO_NOT_DECIDE
FIRST_WEEK, RUNNING, OVER = Phase(6, is_over=False), Phase(7, is_over=False), Phase(28, is_over=True)


@pytest.mark.parametrize(
    ("primary", "guardrails", "first_week", "running", "over"),
    [
        ([BETTER], [], RUN, SHIP, SHIP),
        ([BETTER], [SAFE, SAFE], RUN, SHIP, SHIP),
        ([BETTER, NONE], [SAFE], RUN, SHIP, SHIP),
        ([BETTER, NO_NUMBER], [SAFE], RUN, SHIP, SHIP),
        ([BETTER, WORSE], [SAFE], NO, NO, NO),
        ([BETTER], [SAFE, WORSE], NO, NO, NO),
        ([BETTER], [SAFE, UNSURE], RUN, RUN, NO),
        ([BETTER], [NO_NUMBER], RUN, RUN, REFUSE),
        ([NONE], [NO_NUMBER], RUN, RUN, NO),
        ([WORSE], [SAFE], NO, NO, NO),
        ([NONE], [SAFE], RUN, RUN, NO),
        ([NONE], [WORSE], NO, NO, NO),
        ([NONE], [UNSURE], RUN, RUN, NO),
        ([NONE, NO_NUMBER], [], RUN, RUN, NO),
        ([NO_NUMBER], [SAFE], RUN, RUN, REFUSE),
        ([], [SAFE, SAFE], RUN, SHIP, SHIP),
        ([], [SAFE, UNSURE], RUN, RUN, NO),
        ([], [SAFE, NO_NUMBER], RUN, RUN, REFUSE),
        ([], [SAFE, WORSE], NO, NO, NO),
        ([], [], RUN, RUN, REFUSE),
    ],
)
def test_one_treatment(
    primary: list[Finding], guardrails: list[Finding], first_week: Verdict, running: Verdict, over: Verdict
) -> None:
    found = [treatment_verdict(primary, guardrails, phase) for phase in (FIRST_WEEK, RUNNING, OVER)]
    assert found == [first_week, running, over]


@pytest.mark.parametrize(
    ("treatments", "verdict"),
    [
        ([SHIP, NO], SHIP),
        ([NO, RUN], RUN),
        ([RUN, SHIP], SHIP),
        ([NO, REFUSE], REFUSE),
        ([NO, NO], NO),
        ([], REFUSE),
    ],
)
def test_several_treatments(treatments: list[Verdict], verdict: Verdict) -> None:
    assert experiment_verdict(treatments, []) == verdict
    assert experiment_verdict(treatments[::-1], []) == verdict


def test_a_gate_that_fails_refuses_and_one_that_warns_does_not() -> None:
    for verdict, status in product((SHIP, NO, RUN), Status):
        gates = [Gate("several_variants", status, None, ""), Gate("sample_ratio", Status.PASS, 0.5, "")]
        assert experiment_verdict([verdict], gates) == (REFUSE if status == Status.FAIL else verdict)


ROW = MetricResult(
    "revenue", "on", "off", "all", Method.WELCH, 9, 9, 1.0, 1.2, 0.2, 0.1, 0.3, 0.2, 0.1, 0.3, 0.01, 0.04
)


@pytest.mark.parametrize(
    ("row", "finding"),
    [
        (ROW, BETTER),
        (replace(ROW, absolute_effect=-0.2), WORSE),
        (replace(ROW, p_value_adjusted=0.05), NONE),
        (replace(ROW, p_value_adjusted=None), NO_NUMBER),
    ],
)
def test_a_primary_metric_is_judged_by_its_adjusted_p_value(row: MetricResult, finding: Finding) -> None:
    assert primary_finding(metric(), row) == finding
    turned = {BETTER: WORSE, WORSE: BETTER}.get(finding, finding)
    assert primary_finding(metric(direction=Direction.DECREASE), row) == turned


HURT = replace(ROW, absolute_effect=-0.2, p_value=0.01)


@pytest.mark.parametrize(
    ("row", "is_harmless", "finding"),
    [
        (ROW, True, SAFE),
        (HURT, True, SAFE),
        (ROW, False, UNSURE),
        (replace(HURT, p_value=0.06), False, UNSURE),
        (HURT, False, WORSE),
        (replace(ROW, p_value=None), False, NO_NUMBER),
        (replace(ROW, p_value=None), True, SAFE),
    ],
)
def test_a_guardrail_is_judged_by_the_test_of_its_margin(
    row: MetricResult, is_harmless: bool, finding: Finding
) -> None:
    guardrail = metric(role=MetricRole.GUARDRAIL, minimum_effect=0.05)
    assert guardrail_finding(guardrail, row, is_harmless=is_harmless) == finding
    mirrored = replace(row, absolute_effect=-(row.absolute_effect or 0.0))
    lower = replace(guardrail, direction=Direction.DECREASE)
    assert guardrail_finding(lower, mirrored, is_harmless=is_harmless) == finding
