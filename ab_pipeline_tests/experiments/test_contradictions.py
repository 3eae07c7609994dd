"""What a reader should know before shipping, and one rule for words, colours and gates."""

from __future__ import annotations

from ab_pipeline.experiments.declaration import Experiment, Metric, MetricRole
from ab_pipeline.experiments.readout import read_out
from ab_pipeline.experiments.report.forest import tone
from ab_pipeline.experiments.result import MetricResult, Readout, Status, Verdict
from ab_pipeline.experiments.results import decisive
from ab_pipeline_tests.experiments.examples import END, cells, evidence, experiment, metric
from ab_pipeline_tests.experiments.sums import moments_with

EVEN = evidence({"off": 200, "on": 200})
ORDERS = metric("orders")
REVENUE = metric("revenue", role=MetricRole.SECONDARY)


def readout_of(metrics: list[Metric], lifts: dict[str, float], of: Experiment | None = None) -> Readout:
    rows = [
        cell
        for name, lift in lifts.items()
        for cell in cells(
            {"off": moments_with(5_600, 10.0, 100.0), "on": moments_with(5_600, 10 * (1 + lift), 100.0)}, name
        )
    ]
    return read_out(of or experiment(), metrics, rows, EVEN, END)


def row(readout: Readout, metric_id: str) -> MetricResult:
    return decisive(readout.results)[metric_id, "on"]


def test_a_secondary_metric_that_collapses_is_told_beside_ship() -> None:
    """Orders +4.0 %: "Ship"; revenue -18.8 % stood only in the table."""
    readout = readout_of([ORDERS, REVENUE], {"orders": 0.04, "revenue": -0.188})
    assert readout.verdict == Verdict.SHIP
    assert readout.reasons[1].startswith("revenue of on: -18.8 % (95 % interval ")
    assert readout.reasons[1].endswith("which decides nothing: know why before you ship.")
    calm = readout_of([ORDERS, REVENUE], {"orders": 0.04, "revenue": 0.188})
    assert len(calm.reasons) == 1


def test_an_effect_that_the_cap_turns_is_told() -> None:
    """Raw -15.5 %, capped +4.2 %: the cap alone decided."""
    capped = metric("orders", cap=0.99)
    raw = {"off": moments_with(5_600, 10.0, 40_000.0), "on": moments_with(5_600, 8.45, 40_000.0)}
    cut = {"off": moments_with(5_600, 8.0, 64.0), "on": moments_with(5_600, 8.336, 64.0)}
    rows = [*cells(raw, "orders"), *cells(cut, "orders", is_capped=True)]
    readout = read_out(experiment(), [capped], rows, EVEN, END)
    assert readout.verdict == Verdict.SHIP
    told = "orders of on: -15.5 % as it is and +4.2 % cut at the cap. The users above the cap go the other way: look"
    assert any(reason.startswith(told) for reason in readout.reasons)
    alike = [*cells(cut, "orders"), *cells(cut, "orders", is_capped=True)]
    assert len(read_out(experiment(), [capped], alike, EVEN, END).reasons) == 1


def test_an_aa_page_has_one_rule_for_words_colours_and_gate() -> None:
    """The words "the arms do not differ" stood above a red -6.9 % with an adjusted p of .008."""
    for lift in (-0.069, -0.04, 0.0):
        readout = readout_of([ORDERS, REVENUE], {"orders": 0.0, "revenue": lift}, experiment(is_aa=True))
        [gate] = [gate for gate in readout.gates if gate.name == "aa_false_win"]
        is_red = tone(REVENUE, row(readout, "revenue")) == "bad"
        assert (gate.status == Status.FAIL) == is_red == ((row(readout, "revenue").p_value_adjusted or 1) < 0.05)
        assert is_red == (lift == -0.069)


def test_a_difference_that_is_none_after_adjusting_is_calm_and_says_so() -> None:
    metrics = [metric("a"), metric("b"), metric("c")]
    readout = readout_of(metrics, {"a": 0.04, "b": 0.0, "c": 0.0})
    assert (row(readout, "a").p_value or 1) < 0.05 < (row(readout, "a").p_value_adjusted or 0)
    assert tone(metrics[0], row(readout, "a")) == "calm"
    assert readout.reasons[0].endswith("no difference could be shown once all primary comparisons are counted.")
