"""From raw rows to verdicts: the sample, whose true effects are known, through dbt and the read-out."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
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


def test_a_late_row_replaces_the_looks_from_its_day_on_and_no_other(built: DuckDBFile, registry: Registry) -> None:
    [(user,)] = built.execute(
        "select min(user_id) from analytics.experiment_units"
        " where variant_id = 'checkout_control' and exclusion is null and first_day < ?",
        [LATE],
    )
    stale = built.execute(
        "select count(*) from (select distinct experiment_id, datestamp from analytics.experiment_daily_sums"
        " where datestamp >= ?)",
        [LATE],
    )
    built.execute("insert into raw_data.user_event values (?, ?, 1, 1, 1, 100)", [user, LATE])
    built.refresh(days(LATE, LATE + dt.timedelta(days=1)), experiments=True)
    later = NOW + dt.timedelta(days=1)
    with DuckDBWarehouse(built.path).open(read_only=False) as session:
        assert evaluate_due(session, registry, later).looks == stale[0][0]
        assert session.rows(
            LOOKS.replace("group by 1", f"and computed_at >= '{later:%Y-%m-%d}' group by 1 order by 1")
        ) == [(LATE + dt.timedelta(days=number), 1) for number in range(4)]
        assert evaluate_newest(session, registry)[0].readout.gates[6].status == Status.PASS


def test_a_declaration_that_changed_concerns_the_newest_look(session: DuckDBSession, registry: Registry) -> None:
    fewer = Registry(registry.experiments, registry.metrics[:1])
    assert evaluate_due(session, fewer, NOW).looks == len(registry.experiments)


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
    session.run("drop view analytics.experiment_metric_days")
    session.run("drop view analytics.experiment_statistics")
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
