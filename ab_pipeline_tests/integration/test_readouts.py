"""From raw rows to verdicts: the sample, whose true effects are known, through dbt and the read-out."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ab_pipeline.cli import main
from ab_pipeline.experiments.contract import to_json
from ab_pipeline.experiments.registry import Registry, read_registry
from ab_pipeline.experiments.result import Method, Status, Verdict
from ab_pipeline.paths import REGISTRY
from ab_pipeline.readouts.errors import ReadoutError
from ab_pipeline.readouts.evaluate import evaluate, evaluate_due, evaluate_newest
from ab_pipeline.readouts.placebo import placebo
from ab_pipeline.readouts.store import newest_verdicts
from ab_pipeline.sample_data.generate import generate
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.settings import get_settings
from ab_pipeline.warehouse.base import WarehouseError
from ab_pipeline.warehouse.duckdb import DuckDBSession, DuckDBWarehouse
from ab_pipeline_tests.dbt_warehouse import DuckDBFile, days

NOW = dt.datetime(2025, 3, 2, 8, 0, tzinfo=dt.UTC)
LATE = dt.date(2025, 2, 20)
LOOKS = "select as_of, count(*) from analytics.experiment_verdicts where experiment_id = 'checkout' group by 1"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readouts") / "sample.duckdb"


@pytest.fixture
def built(duckdb_file: DuckDBFile, sample: Path) -> DuckDBFile:
    """The sample, built and read out: once, and copied for each test."""
    if not sample.exists():
        with DuckDBWarehouse(duckdb_file.path).open(read_only=False) as session:
            generate(session, SampleSpec(users=12_000, events_per_day=12_000))
        duckdb_file.dbt("seed", "--select", "group:registry")
        duckdb_file.refresh(experiments=True)
        with DuckDBWarehouse(duckdb_file.path).open(read_only=False) as session:
            evaluate_due(session, read_registry(REGISTRY), NOW)
        shutil.copy(duckdb_file.path, sample)
    shutil.copy(sample, duckdb_file.path)
    return duckdb_file


@pytest.fixture
def session(built: DuckDBFile) -> Iterator[DuckDBSession]:
    with DuckDBWarehouse(built.path).open(read_only=False) as session:
        yield session


@pytest.fixture
def registry() -> Registry:
    return read_registry(REGISTRY)


def test_each_experiment_of_the_sample_gets_the_verdict_that_it_was_made_for(session: DuckDBSession) -> None:
    assert {name: verdict for name, _, verdict, _ in newest_verdicts(session)} == {
        "checkout": Verdict.SHIP,
        "autoplay": Verdict.DO_NOT_SHIP,
        "lazy_images": Verdict.DO_NOT_DECIDE,
        "aa": Verdict.DO_NOT_SHIP,
        "search": Verdict.KEEP_RUNNING,
    }


def test_an_experiment_is_over_when_the_day_of_its_end_is(session: DuckDBSession, registry: Registry) -> None:
    end = next(one.end_date for one in registry.experiments if one.experiment_id == "checkout")
    for now, is_over in ((end, False), (end + dt.timedelta(days=1), True)):
        at_noon = dt.datetime.combine(now, dt.time(12), dt.UTC)
        [checkout] = [
            one.readout
            for one in evaluate_due(session, registry, at_noon).newest
            if one.readout.experiment_id == "checkout"
        ]
        assert checkout.as_of == end

        assert checkout.phase.is_over == is_over


def test_the_gate_that_fails_is_the_one_that_was_broken(session: DuckDBSession, registry: Registry) -> None:
    failing = {
        one.readout.experiment_id: {gate.name for gate in one.readout.gates if gate.status == Status.FAIL}
        for one in evaluate_newest(session, registry)
    }
    assert "sample_ratio" in failing.pop("lazy_images")
    assert set().union(*failing.values()) == set()


def test_every_day_has_a_look_and_the_newest_has_every_segment(session: DuckDBSession) -> None:
    assert len(session.rows(LOOKS)) == 35
    segments = dict(
        session.rows(
            "select as_of, count(distinct segment) from analytics.experiment_results"
            " where experiment_id = 'checkout' group by 1"
        )
    )
    assert segments.pop(max(segments)) > 10
    assert set(segments.values()) == {1}
    # history is of all users: the totals of every metric and variant, by day
    assert session.rows(
        "select count(*), count(distinct as_of) from analytics.experiment_history where experiment_id = 'checkout'"
    ) == [(35 * 5 * 2, 35)]


def test_an_older_read_out_can_be_computed_again_as_it_was_stored(session: DuckDBSession, registry: Registry) -> None:
    rows = evaluate(session, registry, "checkout", dt.date(2025, 2, 1)).readout.results
    stored = session.rows(
        "select metric_id, method, absolute_effect, p_value from analytics.experiment_results"
        " where experiment_id = 'checkout' and as_of = '2025-02-01'"
    )
    now = {(row.metric_id, row.method, row.absolute_effect, row.p_value) for row in rows if row.segment == "all"}
    assert {(metric, Method(method), *numbers) for metric, method, *numbers in stored} == now


def test_nothing_is_computed_again_while_nothing_changed(session: DuckDBSession, registry: Registry) -> None:
    before = session.rows("select * from analytics.experiment_verdicts order by all")
    assert evaluate_due(session, registry, NOW + dt.timedelta(days=1)).looks == 0
    assert session.rows("select * from analytics.experiment_verdicts order by all") == before


def test_a_refresh_evaluates_the_newest_looks_as_a_question_for_them_does(
    session: DuckDBSession, registry: Registry
) -> None:
    newest = evaluate_due(session, registry, NOW).newest
    assert [one.experiment.experiment_id for one in newest] == [one.experiment_id for one in registry.experiments]
    assert newest == evaluate_newest(session, registry)
    assert newest == tuple(evaluate(session, registry, one.experiment_id) for one in registry.experiments)
    assert min(len(one.series.looks) for one in newest) > 10
    assert all(one.series.days and one.series.bins for one in newest)


def test_a_late_row_is_looked_at_from_its_day_on_and_what_was_said_before_is_kept_where_it_changed(
    built: DuckDBFile, registry: Registry
) -> None:
    [(user,)] = built.execute(
        "select min(user_id) from analytics.experiment_units"
        " where variant_id = 'checkout_control' and exclusion is null and first_day < ?",
        [LATE],
    )
    stale = built.execute(
        "select count(*) from analytics.experiment_verdicts where as_of >= ?",
        [LATE],
    )
    built.execute("insert into raw_data.user_event values (?, ?, 1, 1, 1, 100)", [user, LATE])
    built.execute("update analytics.experiment_verdicts set verdict = 'ship' where as_of = '2025-02-21'")
    built.refresh(days(LATE, LATE + dt.timedelta(days=1)), experiments=True)
    later = NOW + dt.timedelta(days=1)
    with DuckDBWarehouse(built.path).open(read_only=False) as session:
        before = session.rows(LOOKS)
        assert evaluate_due(session, registry, later).looks == stale[0][0]
        looks = "select as_of, verdict from analytics.experiment_verdicts where experiment_id = 'checkout' and"
        again = session.rows(f"{looks} computed_at >= '{later:%Y-%m-%d}' order by 1")
        assert [day for day, _ in again] == [LATE + dt.timedelta(days=number) for number in range(4)]
        said_otherwise = again[1][1] != Verdict.SHIP
        assert session.rows(f"{looks} superseded_at is not null") == [(dt.date(2025, 2, 21), "ship")] * said_otherwise
        assert len(session.rows(LOOKS)) == len(before)
        newest = evaluate_newest(session, registry)[0]
        assert [(one.as_of, one.verdict) for one in newest.changed_verdicts] == [
            (dt.date(2025, 2, 21), "ship")
        ] * said_otherwise
        assert newest.readout.gates[6].status == Status.PASS


def test_who_gets_the_winner_after_the_end_changes_no_look(built: DuckDBFile, registry: Registry) -> None:
    """TRUTH.md F1: all stored looks became "do not decide", with no user in the control."""
    built.execute(
        "insert into raw_data.user_variant select user_id, 'checkout_one_page', timestamp '2025-02-28'"
        " from raw_data.user_variant where variant_id = 'checkout_control'"
    )
    built.refresh(days(LATE, LATE + dt.timedelta(days=1)), experiments=True)
    with DuckDBWarehouse(built.path).open(read_only=False) as session:
        evaluate_due(session, registry, NOW + dt.timedelta(days=1))
        [found] = [one for one in newest_verdicts(session) if one[0] == "checkout"]
    assert found[2] == Verdict.SHIP


def test_declarations_are_those_that_the_sums_were_made_of(session: DuckDBSession, registry: Registry) -> None:
    """TRUTH.md T6: the old numbers stood under the new declaration, and a new metric had no user."""
    first, *others = registry.metrics
    edited = replace(first, numerator="revenue", minimum_effect=0.5)
    added = replace(first, metric_id="added")
    before = evaluate(session, registry, "checkout")
    found = evaluate(session, Registry(registry.experiments[1:], (edited, *others, added)), "checkout")
    assert found.metrics == before.metrics
    assert found.readout == before.readout
    assert found.not_built == (
        "experiment checkout is built and no longer declared",
        "metric added is declared and not built yet",
        "metric purchases_per_user: numerator is revenue in the file and num_of_purchases in what is built",
        "metric purchases_per_user: minimum_effect is 0.5 in the file and 0.05 in what is built",
    )


def test_a_declaration_that_is_built_concerns_the_newest_look(built: DuckDBFile, registry: Registry) -> None:
    built.execute("update analytics.metrics set minimum_effect = 0.06 where metric_id = 'conversion'")
    built.refresh(days(LATE, LATE + dt.timedelta(days=1)), experiments=True)
    with DuckDBWarehouse(built.path).open(read_only=False) as session:
        assert evaluate_due(session, registry, NOW).looks == len(registry.experiments)
        assert evaluate_due(session, registry, NOW).looks == 0


def test_variants_that_nobody_declared_are_read_out_as_one_experiment(built: DuckDBFile, registry: Registry) -> None:
    built.execute("update raw_data.user_variant set variant_id = 'blue' where variant_id = 'search_control'")
    built.execute("update raw_data.user_variant set variant_id = 'green' where variant_id = 'search_hybrid'")
    built.refresh(days(LATE, LATE + dt.timedelta(days=1)), experiments=True)
    with DuckDBWarehouse(built.path).open() as session:
        found = {one.experiment.experiment_id: one for one in evaluate_newest(session, registry)}["inferred"]
    assert found.experiment.is_inferred
    assert [(variant.variant_id, variant.is_control) for variant in found.experiment.variants] == [
        ("blue", True),
        ("green", False),
    ]
    assert found.readout.results
    assert found.readout.verdict == Verdict.DO_NOT_DECIDE
    assert found.readout.reasons[0].startswith('Gate "Declared beforehand" fails: nobody declared blue, green in ')


def test_users_drawn_by_lot_differ_about_as_often_as_promised(session: DuckDBSession, registry: Registry) -> None:
    name, users, found = placebo(session, registry, "checkout", runs=60)
    assert (name, users) == (
        "checkout",
        session.rows(
            "select count(*) from analytics.experiment_units where exclusion is null and experiment_id = 'checkout'"
        )[0][0],
    )
    assert {one.metric_id for one in found} == {metric.metric_id for metric in registry.metrics}
    assert {one.runs for one in found} == {60}
    # 60 draws at 5 %: more than 10 happen once in 2,000 times
    assert max(one.found for one in found) <= 10
    assert placebo(session, registry, "checkout", runs=5, seed=7) == placebo(
        session, registry, "checkout", runs=5, seed=7
    )


def test_questions_that_have_no_answer_say_which_have(session: DuckDBSession, registry: Registry) -> None:
    with pytest.raises(ReadoutError, match="no experiment is called 'checkin': there are checkout, autoplay"):
        evaluate(session, registry, "checkin")
    with pytest.raises(
        ReadoutError, match="cannot be read out as of 2024-01-01: its days are 2025-01-20 to 2025-02-23"
    ):
        evaluate(session, registry, "checkout", dt.date(2024, 1, 1))
    session.run("drop table analytics.experiment_statistics")
    with pytest.raises(WarehouseError, match="no experiment is built yet"):
        evaluate_newest(session, registry)


def test_the_command_prints_the_read_out_and_the_json_contract(
    built: DuckDBFile, registry: Registry, tmp_path: Path
) -> None:
    get_settings.cache_clear()
    run = CliRunner().invoke
    assert "Ship checkout_one_page" in run(main, ["readout", "checkout"]).output
    printed = run(main, ["readout", "checkout", "--json", "--as-of", "2025-02-10"]).output
    with DuckDBWarehouse(built.path).open() as session:
        expected = to_json(evaluate(session, registry, "checkout", dt.date(2025, 2, 10)).readout)
    assert json.loads(printed) == json.loads(expected)
    assert "do not decide" in run(main, ["verdicts"]).output
    assert run(main, ["report", "--folder", str(tmp_path)]).exit_code == 0
    assert {path.stem for path in tmp_path.glob("*.html")} == {
        "index",
        "checkout",
        "autoplay",
        "lazy_images",
        "aa",
        "search",
    }
    assert "Error: no experiment is called 'x'" in run(main, ["readout", "x"]).output
    get_settings.cache_clear()
