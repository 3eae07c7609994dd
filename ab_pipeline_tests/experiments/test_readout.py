"""From sums to an answer: every verdict, and input that leaves numbers out."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ab_pipeline.experiments.contract import SCHEMA_PATH, to_json
from ab_pipeline.experiments.declaration import Experiment, Metric, MetricKind, MetricRole, Variant
from ab_pipeline.experiments.evidence import Evidence
from ab_pipeline.experiments.moments import ALL_USERS, Cell, Moments
from ab_pipeline.experiments.multiplicity import holm
from ab_pipeline.experiments.readout import read_out
from ab_pipeline.experiments.result import Method, MetricResult, Readout, Status, Verdict
from ab_pipeline.experiments.words import GATES
from ab_pipeline_tests.experiments.examples import CONTROL, END, START, TREATMENT, cells, evidence, experiment, metric
from ab_pipeline_tests.experiments.sums import moments_of, moments_with

USERS, MANY = 5_600, 12_000
EVEN = evidence({"off": 200, "on": 200})
REVENUE, PAGES = metric(), metric("pages", role=MetricRole.GUARDRAIL)
MIDDLE = dt.date(2025, 1, 14)
SCHEMA = json.loads(SCHEMA_PATH.read_text())


def spending(lift: float, users: int = USERS) -> dict[str, Moments]:
    """Users who spend 10 on average, and so much more with the treatment; a standard error of 1.9 %."""
    return {"off": moments_with(users, 10.0, 100.0), "on": moments_with(users, 10.0 * (1 + lift), 100.0)}


def answer(
    revenue: float,
    pages: float = 0.0,
    *,
    of: Experiment | None = None,
    as_of: dt.date = END,
    users: int = USERS,
    seen: Evidence = EVEN,
) -> Readout:
    """Given the true lifts of the primary metric and the guardrail."""
    rows = [*cells(spending(revenue, users), as_of=as_of), *cells(spending(pages, users), "pages", as_of=as_of)]
    return read_out(of or experiment(), (PAGES, REVENUE), rows, seen, as_of)


def row_of(readout: Readout, method: Method, metric_id: str = "revenue", segment: str = ALL_USERS) -> MetricResult:
    [row] = [r for r in readout.results if (r.metric_id, r.method, r.segment) == (metric_id, method, segment)]
    return row


def contract(readout: Readout) -> dict:
    """The JSON, which the schema accepts."""
    document = json.loads(to_json(readout))
    jsonschema.validate(document, SCHEMA)
    return document


def test_a_winner_ships() -> None:
    readout = answer(0.12)
    assert (readout.verdict, readout.winner) == (Verdict.SHIP, "on")
    assert readout.reasons == (
        "revenue of on: +12.0 % (95 % interval +8.1 % to +16.0 %), better than the control.",
        "pages of on: +0.0 % (95 % interval -3.6 % to +3.8 %), the guardrail holds, which allows 5 %.",
    )


def test_a_loser_does_not() -> None:
    readout = answer(-0.12)
    assert (readout.verdict, readout.winner) == (Verdict.DO_NOT_SHIP, None)
    assert readout.reasons[0].endswith("worse than the control.")


def test_a_guardrail_that_is_hurt_outweighs_a_win() -> None:
    readout = answer(0.12, -0.1)
    assert readout.verdict == Verdict.DO_NOT_SHIP
    assert "the guardrail is hurt, which allows 5 %." in readout.reasons[1]


def test_no_difference_at_the_end_tells_how_much_longer_it_would_take() -> None:
    readout = answer(0.02)
    assert readout.verdict == Verdict.DO_NOT_SHIP
    assert readout.reasons[0].endswith("no difference could be shown.")
    [precision] = [one for one in readout.precision if one.metric_id == "revenue"]
    # 2.8 standard errors of 1.89 % are 5.3 %: a tenth more users than there are, at 400 a day
    assert precision.detectable_effect == pytest.approx(0.0529, abs=1e-4)
    assert (precision.users_needed, precision.days_needed) == (12_559, 4)
    assert readout.reasons[2] == "To find the planned effect it would have to run 4 days more."


def test_a_difference_too_small_to_matter_is_said_to_be() -> None:
    readout = answer(0.001, users=1_000_000, seen=evidence({"off": 35_000, "on": 35_000}))
    assert "no difference could be shown, and if there is one it is below the 5 % that matter." in readout.reasons[0]


def test_before_the_end_only_what_is_always_valid_counts() -> None:
    """+5 % is significant by the planned test, and half way through that is no reason to stop."""
    readout = answer(0.05, as_of=MIDDLE)
    assert (row_of(readout, Method.WELCH).p_value or 1) < 0.01
    assert readout.verdict == Verdict.KEEP_RUNNING
    assert f"Keep it running until about {END}, its planned end." in readout.reasons
    assert answer(0.12, as_of=MIDDLE, users=MANY).verdict == Verdict.SHIP
    assert answer(-0.12, as_of=MIDDLE, users=MANY).verdict == Verdict.DO_NOT_SHIP


def test_a_win_in_the_first_week_waits_for_the_rest_of_it() -> None:
    assert answer(0.2, as_of=START + dt.timedelta(days=5), users=MANY).verdict == Verdict.KEEP_RUNNING
    assert answer(0.2, as_of=START + dt.timedelta(days=6), users=MANY).verdict == Verdict.SHIP


def test_an_end_that_is_planned_too_early_is_told_while_it_runs() -> None:
    readout = answer(0.01, as_of=MIDDLE, users=500, seen=evidence({"off": 36, "on": 36}, days=14))
    assert readout.verdict == Verdict.KEEP_RUNNING
    assert "At this rate the planned effect takes 161 days more: plan for a later end." in readout.reasons


def test_an_effect_that_nobody_new_comes_to_show_is_years_away() -> None:
    readout = answer(0.01, as_of=MIDDLE, users=500, seen=evidence({"off": 1, "on": 1}, days=14))
    assert "At this rate the planned effect takes years more: hardly anybody new comes." in readout.reasons


def test_it_has_not_begun() -> None:
    readout = read_out(experiment(), (REVENUE,), [], evidence({}), START - dt.timedelta(days=2))
    assert readout.verdict == Verdict.KEEP_RUNNING
    assert f"It starts on {START}." in readout.reasons


def test_a_gate_that_fails_refuses_and_comes_first() -> None:
    readout = answer(0.12, seen=evidence({"off": 200, "on": 150}))
    assert readout.verdict == Verdict.DO_NOT_DECIDE
    assert readout.reasons[0].startswith('Gate "Sample ratio" fails: off 5,600 (57.1 %, expected 50.0 %), on 4,200')


def test_a_gate_that_warns_is_told_at_the_end() -> None:
    readout = answer(0.12, seen=replace(EVEN, users_in_several_variants=50))
    assert readout.verdict == Verdict.SHIP
    assert readout.reasons[-1].startswith('Gate "Users in several variants" warns: 50 of 11,250 users')


def test_an_aa_experiment_ships_nothing_and_refuses_to_find_anything() -> None:
    calm = answer(0.001, of=experiment(is_aa=True))
    assert calm.verdict == Verdict.DO_NOT_SHIP
    assert calm.reasons[0] == "It is an A/A experiment: there is nothing to ship."
    assert answer(0.12, of=experiment(is_aa=True)).verdict == Verdict.DO_NOT_DECIDE


def test_what_nobody_declared_is_shown_by_intervals_that_are_always_valid_and_not_decided() -> None:
    guessed = replace(experiment(), hypothesis="", is_inferred=True)
    readout = answer(0.12, of=guessed, users=MANY)
    assert (readout.verdict, readout.winner) == (Verdict.DO_NOT_DECIDE, None)
    assert readout.reasons[:2] == (
        'Gate "Declared beforehand" fails: nobody declared off, on in experiment_variants.csv; control, shares and'
        " dates are guesses.",
        answer(0.12, as_of=MIDDLE, users=MANY).reasons[0],
    )
    # the shares to expect are those that there are
    assert {gate.name: gate.status for gate in readout.gates}["sample_ratio"] == Status.SKIPPED


def test_a_declared_experiment_says_by_whom_and_a_file_has_nowhere_to() -> None:
    assert answer(0.0).gates[0].detail == "by checkout@example.com, from 2025-01-01 to 2025-01-28"
    assert answer(0.12, of=replace(experiment(), hypothesis="")).gates[0].status == Status.SKIPPED


def test_of_several_winners_the_one_that_gains_most_ships_and_losers_are_told_after_it() -> None:
    variants = (Variant("off", True, 1), *(Variant(name, False, 1) for name in ("little", "much", "bad")))
    lifts = {"off": 0.0, "little": 0.1, "much": 0.14, "bad": -0.1}
    by_variant = {name: moments_with(USERS, 10 * (1 + lift), 100.0) for name, lift in lifts.items()}
    counts = evidence(dict.fromkeys(lifts, 200))
    readout = read_out(experiment(*variants), (REVENUE,), cells(by_variant), counts, END)
    assert (readout.verdict, readout.winner) == (Verdict.SHIP, "much")
    assert [reason.split()[2] for reason in readout.reasons] == ["little:", "much:", "bad:"]


def test_the_primary_family_is_adjusted_by_holm_and_everything_else_by_benjamini_and_hochberg() -> None:
    metrics = [metric("a"), metric("b"), *(metric(name, role=MetricRole.SECONDARY) for name in "cd")]
    lifts = {"a": 0.045, "b": 0.042, "c": 0.045, "d": 0.042}
    rows = [row for name, lift in lifts.items() for row in cells(spending(lift), name)]
    readout = read_out(experiment(), metrics, rows, EVEN, END)
    a, b, c, d = (row_of(readout, Method.WELCH, name) for name in "abcd")
    assert a.p_value
    assert b.p_value
    assert (a.p_value_adjusted, b.p_value_adjusted) == pytest.approx((2 * a.p_value, max(b.p_value, 2 * a.p_value)))
    assert (c.p_value_adjusted, d.p_value_adjusted) == pytest.approx((b.p_value, b.p_value))


def test_the_rows_that_decide_are_one_family_whatever_their_method() -> None:
    metrics = [metric("mean"), metric("cut", cap=0.99), metric("ratio", MetricKind.RATIO)]
    lifts = {"mean": 0.042, "cut": 0.045, "ratio": 0.048}
    rows = [row for name, lift in lifts.items() for row in cells(spending(lift), name)]
    readout = read_out(experiment(), metrics, [*rows, *cells(spending(0.045), "cut", is_capped=True)], EVEN, END)
    mean = row_of(readout, Method.WELCH, "mean")
    cut = row_of(readout, Method.WINSORIZED, "cut")
    ratio = row_of(readout, Method.DELTA, "ratio")
    p_values = [row.p_value for row in (mean, cut, ratio)]
    assert [row.p_value_adjusted for row in (mean, cut, ratio)] == holm(p_values) != p_values
    # the mean before it was cut decides nothing
    uncut = row_of(readout, Method.WELCH, "cut")
    assert uncut.p_value_adjusted == uncut.p_value


def gamma_users(seed: int, n: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.gamma(1, 5, n)
    return x + rng.gamma(1, 5, n), x


def test_raw_capped_and_adjusted_means_stand_beside_each_other_and_the_last_decides() -> None:
    raw, cut = {}, {}
    for seed, name in enumerate(("off", "on")):
        y, x = gamma_users(seed)
        raw[name], cut[name] = moments_of(y, x=x), moments_of(np.minimum(y, 30), x=np.minimum(x, 30))
    rows = [*cells(raw), *cells(cut, is_capped=True)]
    readout = read_out(experiment(pre_period_days=14), (metric(cap=0.99),), rows, EVEN, END)
    found = {method: row_of(readout, method) for method in Method if method not in (Method.DELTA, Method.INTERACTION)}
    assert found[Method.WELCH].mean_control == pytest.approx(raw["off"].y / 2_000)
    assert found[Method.WINSORIZED].mean_control == pytest.approx(cut["off"].y / 2_000)
    cuped = found[Method.CUPED]
    assert cuped.mean_control != found[Method.WINSORIZED].mean_control
    assert found[Method.ALWAYS_VALID].absolute_effect == cuped.absolute_effect
    widths = [(row.absolute_ci_high or 0) - (row.absolute_ci_low or 0) for row in found.values()]
    assert widths[2] < widths[1] < widths[0]


def test_segments_have_the_decisive_method_and_each_dimension_an_interaction() -> None:
    segments = {"age:18-24": 0.5, "age:25-34": -0.5, "gender:female": 0.0, "gender:male": 0.0}
    rows = [row for segment, lift in segments.items() for row in cells(spending(lift, 1_000), segment=segment)]
    readout = read_out(experiment(), (REVENUE,), [*cells(spending(0.0)), *rows], EVEN, END)
    assert [(r.segment, r.method) for r in readout.results if r.segment != ALL_USERS] == [
        ("age:18-24", Method.WELCH),
        ("age:25-34", Method.WELCH),
        ("age", Method.INTERACTION),
        ("gender:female", Method.WELCH),
        ("gender:male", Method.WELCH),
        ("gender", Method.INTERACTION),
    ]
    age, gender = (row_of(readout, Method.INTERACTION, segment=name) for name in ("age", "gender"))
    assert (age.n_control, age.absolute_effect) == (2_000, None)
    assert (age.p_value or 1) < 1e-9
    assert gender.p_value == 1


NOBODY: dict[str, Moments] = {}
ONE = moments_of([3.0])
ALIKE = moments_of([5.0] * 1_000)


@pytest.mark.parametrize(
    ("of", "by_variant", "reason"),
    [
        (experiment(), NOBODY, "revenue of on: no number, since a variant has no user, and two are needed"),
        (experiment(), {"off": ALIKE, "on": ONE}, "revenue of on: no number, since a variant has one user, and two"),
        (experiment(), {"off": ALIKE, "on": ALIKE}, "revenue of on: no number, since no user differs from another."),
        (experiment(TREATMENT), {"on": ALIKE}, "No variant is declared as the control, so there is nothing to compare"),
        (experiment(CONTROL), {"off": ALIKE}, "There is only one variant, so there is nothing to compare."),
    ],
)
def test_what_cannot_be_computed_is_not_decided_and_says_why(
    of: Experiment, by_variant: Mapping[str, Moments], reason: str
) -> None:
    readout = read_out(of, (REVENUE,), cells(by_variant), EVEN, END)
    assert readout.verdict == Verdict.DO_NOT_DECIDE
    assert any(told.startswith(reason) for told in readout.reasons)
    assert all(row.reason for row in readout.results)
    contract(readout)


def test_without_a_primary_metric_nothing_decides() -> None:
    readout = read_out(experiment(), (PAGES,), cells(spending(0.2), "pages"), EVEN, END)
    assert readout.verdict == Verdict.DO_NOT_DECIDE
    assert readout.reasons[0] == "No primary metric is declared, so nothing decides."


def test_a_segment_that_is_empty_on_one_side_says_so_and_the_rest_stands() -> None:
    rows = [*cells(spending(0.12)), *cells({"off": ALIKE}, segment="age:65+")]
    readout = read_out(experiment(), (REVENUE,), rows, EVEN, END)
    assert readout.verdict == Verdict.SHIP
    empty = row_of(readout, Method.WELCH, segment="age:65+")
    assert (empty.n_control, empty.n_treatment, empty.p_value) == (1_000, 0, None)
    assert readout.reasons[1:] == (
        "No number for revenue of on (raw) in age:65+: a variant has no user, and two are needed for a variance.",
        "No number for revenue of on (interaction) in age: fewer than two segments have an effect to compare.",
    )


def test_where_the_pre_period_tells_nothing_the_raw_totals_decide() -> None:
    readout = read_out(experiment(pre_period_days=14), (REVENUE,), cells(spending(0.12)), EVEN, END)
    assert readout.verdict == Verdict.SHIP
    assert row_of(readout, Method.CUPED).reason == "the users do not differ in the pre-period"
    skipped = [gate.name for gate in readout.gates if gate.status == Status.SKIPPED]
    assert "pre_period_balance" in skipped


def test_cells_of_other_days_and_experiments_are_left_alone() -> None:
    strangers = [
        *(replace(cell, experiment_id="search") for cell in cells(spending(9.0))),
        *cells(spending(9.0), as_of=MIDDLE),
    ]
    mine = cells(spending(0.12))
    assert read_out(experiment(), (REVENUE,), [*mine, *strangers], EVEN, END) == read_out(
        experiment(), (REVENUE,), mine, EVEN, END
    )


def test_the_json_has_the_fields_of_the_contract() -> None:
    document = contract(answer(0.12))
    assert list(document) == ["version", "experiment_id", "as_of", "verdict", "reasons", "gates", "results"]
    assert (document["version"], document["as_of"], document["verdict"]) == (1, "2025-01-28", "ship")
    assert list(document["gates"][0]) == ["name", "status", "p_value", "detail"]
    assert list(document["results"][0]) == SCHEMA["$defs"]["result"]["required"]
    assert tuple(gate["name"] for gate in document["gates"]) == tuple(GATES)


ODD = st.sampled_from([[], [0], [0, 0], [1, 0], [7, 7, 7], [0, 1, 2] * 40, [1e9, 0] * 60, [-1, 1] * 60, [1e-9] * 200])
KINDS = st.sampled_from([MetricKind.MEAN, MetricKind.RATIO])


@settings(max_examples=80, deadline=None)
@given(st.lists(ODD, min_size=8, max_size=8), KINDS, st.integers(0, 14), st.sampled_from([MIDDLE, END]))
def test_nothing_makes_a_number_that_is_not_one(
    totals: list[list[float]], kind: MetricKind, pre_period_days: int, as_of: dt.date
) -> None:
    def odd(y: list[float], other: list[float]) -> Moments:
        return moments_of(y, **({"d": other, "z": other, "x": y} if len(other) == len(y) else {}))

    declared: list[Metric] = [metric(kind=kind), metric("pages", kind, MetricRole.GUARDRAIL)]
    rows: list[Cell] = []
    for one, segment in ((declared[0], ALL_USERS), (declared[1], ALL_USERS)):
        pairs = {name: odd(*totals[i : i + 2]) for i, name in ((0, "off"), (2, "on"))}
        rows += cells(pairs, one.metric_id, segment, as_of)
        rows += cells({"off": odd(*totals[4:6]), "on": odd(*totals[6:8])}, one.metric_id, "age:18-24", as_of)
    readout = read_out(experiment(pre_period_days=pre_period_days), declared, rows, EVEN, as_of)
    for row in readout.results:
        numbers = [value for value in vars(row).values() if isinstance(value, float)]
        assert all(map(math.isfinite, numbers))
        assert row.reason or numbers
    contract(readout)
