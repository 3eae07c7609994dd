"""The page as a browser has it: complete, quiet, usable at any width, in any scheme, by anybody."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from ab_pipeline.experiments.declaration import Experiment
from ab_pipeline.experiments.report.page import Report, page
from ab_pipeline.experiments.report.pictures import pictures
from ab_pipeline.experiments.report.programme import Entry, Look, Standing, programme, standing_of
from ab_pipeline.experiments.report.svg import png
from ab_pipeline.experiments.result import Readout, Verdict
from ab_pipeline.experiments.series import Series
from ab_pipeline_tests.experiments.examples import experiment
from ab_pipeline_tests.experiments.report.browser import chromium, opened, violations
from ab_pipeline_tests.experiments.simulated import simulated

VIEWS = ((360, "light"), (768, "light"), (1280, "light"), (1280, "dark"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    return {
        "winner": simulated({"control": 0.0, "one_page": 0.3}),
        "running": simulated({"control": 0.0, "one_page": 0.02, "two_page": -0.03}, seed=2, last_day=14),
        "broken": simulated({"control": 0.0, "one_page": 0.05}, seed=3, lost=0.25),
    }


@pytest.fixture(scope="module")
def folder(reports: dict[str, Report], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for name, report in reports.items():
        (folder / f"{name}.html").write_text(page(report), encoding="utf-8")
    listing = programme([entry(report, f"{name}.html") for name, report in reports.items()])
    (folder / "index.html").write_text(listing, encoding="utf-8")
    return folder


def entry(report: Report, link: str | None = None) -> Entry:
    """As of its own day, with a look a day from its start on that says the same."""
    readout, experiment = report.readout, report.experiment
    days = (readout.as_of - experiment.start_date).days + 1
    looks = [Look(experiment.start_date + dt.timedelta(days=n), Verdict.KEEP_RUNNING) for n in range(days - 1)]
    history = (*looks, Look(readout.as_of, readout.verdict))
    return Entry(experiment, standing_of(experiment, readout, readout.as_of), history, report, link)


def texts(page: Page, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in page.locator(selector).all_inner_texts()]


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
@pytest.mark.parametrize("name", ["winner", "running", "broken", "index"])
def test_it_asks_for_nothing_complains_of_nothing_fits_and_is_accessible(
    browser: Browser, folder: Path, name: str, width: int, scheme: str
) -> None:
    with opened(browser, folder / f"{name}.html", width, scheme) as (page, complaints):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert violations(page) == []
        assert complaints == []


def test_what_it_would_complain_of(browser: Browser, tmp_path: Path) -> None:
    """Otherwise the test above could not fail."""
    (tmp_path / "bad.html").write_text(
        "<html lang=en><title>Bad</title><main><h1 style='color:#eee'>Bad</h1>"
        "<img src='http://localhost:9/x.png' alt=''><script>console.log('hello')</script></main>"
    )
    with opened(browser, tmp_path / "bad.html", 360) as (page, complaints):
        assert [one.split(":")[0] for one in violations(page)] == ["color-contrast"]
        assert "request: http://localhost:9/x.png" in complaints
        assert "console: hello" in complaints


def test_verdict_and_gates_come_first_and_every_section_is_there(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "winner.html", 1280) as (page, _):
        assert texts(page, "h1") == ["One-page checkout"]
        assert texts(page, "h2") == [
            "Ship one_page",
            "May we believe it?",
            "What it did",
            "Effect by day",
            "Metrics by day",
            "Segments",
            "How it is spread over users",
            "All numbers",
            "If effects are usually about as large as what matters",
            "What it can show",
            "Method and data",
        ]
        assert len(texts(page, ".gates li")) == 11
        assert "analytics.experiment_results" in page.inner_text("#notes >> xpath=..")


def test_every_plot_is_drawn_and_has_its_numbers_beside_it(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "winner.html", 1280) as (page, _):
        titles = texts(page, "figcaption")
        assert titles == [
            "revenue: effect by day",
            "clicks_per_view: effect by day",
            *(
                f"{name}, {what}"
                for name in ("revenue", "clicks_per_view", "buyers")
                for what in ("up to the day", "on the day alone")
            ),
            "revenue by user",
        ]
        for place, title in enumerate(titles):
            figure = page.locator("figure").nth(place)
            box = figure.locator("svg").first.bounding_box()
            assert box
            assert box["width"] > 250
            assert figure.locator("polyline, rect.bar").count() >= 1
            assert figure.locator("tbody tr").count() >= 10, title
        assert page.locator("polygon.band").count() == 2
        # control and treatment, up to the day and on it
        assert page.locator("#values >> xpath=.. >> polyline").count() == 12


def test_an_interval_stands_where_its_numbers_say(browser: Browser, folder: Path) -> None:
    """Right of zero, beyond what matters, for the winner's primary metric."""
    with opened(browser, folder / "winner.html", 1280) as (page, _):
        strip = page.locator(".effects .strip").first
        zero, interval, dot, matters = (
            strip.locator(part).bounding_box() for part in (".zero", ".interval", "circle", ".matters")
        )
        assert zero
        assert interval
        assert dot
        assert matters
        assert matters["x"] < zero["x"] < matters["x"] + matters["width"] < interval["x"]
        assert interval["x"] < dot["x"] < interval["x"] + interval["width"]


def test_a_phone_has_effects_as_blocks_and_a_desk_as_a_table(browser: Browser, folder: Path) -> None:
    for width, below in ((360, True), (1280, False)):
        with opened(browser, folder / "winner.html", width) as (page, _):
            name = page.locator(".effects tbody th").first.bounding_box()
            plot = page.locator(".effects tbody .plot").first.bounding_box()
            assert name
            assert plot
            assert (plot["y"] >= name["y"] + name["height"] - 1) is below
            assert page.get_by_role("table", name="Effects on all users").get_by_role("row").count() >= 3


def test_keys_alone_reach_the_answer_and_open_the_numbers(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "winner.html", 1280) as (page, _):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"
        page.locator("figure summary").first.focus()
        page.keyboard.press("Enter")
        assert page.locator("details[open] table").count() == 1


def test_paper_shows_it_dark_on_white_without_what_only_a_screen_can_do(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "winner.html", 1280, "dark") as (page, _):
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator("summary").first.is_hidden()
        assert len(page.pdf()) > 10_000


def test_a_gate_that_fails_is_first_and_the_page_refuses(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "broken.html", 1280) as (page, _):
        assert texts(page, "h2")[0] == "Do not decide"
        assert texts(page, ".gates li")[0].startswith("Sample ratio fails")


def test_what_nobody_declared_is_refused_and_has_no_plan(browser: Browser, tmp_path: Path) -> None:
    guessed = replace(experiment(pre_period_days=14), hypothesis="", is_inferred=True)
    (tmp_path / "page.html").write_text(page(simulated({"blue": 0.0, "green": 0.3}, of=guessed)), encoding="utf-8")
    with opened(browser, tmp_path / "page.html", 1280) as (opened_page, _):
        assert texts(opened_page, "h2")[0] == "Do not decide"
        assert texts(opened_page, ".gates li")[0].startswith("Declared beforehand fails")
        assert texts(opened_page, ".eyebrow") == ["As of 28 January 2025, no end is planned"]
        assert "since no end is planned" in opened_page.inner_text("#effects >> xpath=..")
        assert opened_page.locator(".progress").count() == 0


def test_an_aa_experiment_that_found_nothing_says_so_in_the_index_too(browser: Browser, tmp_path: Path) -> None:
    calm = simulated({"control": 0.0, "same": 0.0}, seed=4, of=experiment(is_aa=True, pre_period_days=14))
    (tmp_path / "index.html").write_text(programme([entry(calm, "aa.html")]), encoding="utf-8")
    with opened(browser, tmp_path / "index.html", 1280) as (opened_page, _):
        assert texts(opened_page, ".badge") == ["do not ship"]
        assert texts(opened_page, ".headline") == ["It is an A/A experiment: there is nothing to ship."]
    assert calm.headline == "Do not ship"


def test_the_programme_leads_to_each_page_those_that_wait_for_a_decision_first(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "index.html", 1280) as (page, _):
        assert texts(page, ".badge") == ["ship", "do not decide", "keep running"]
        assert texts(page, ".history")[0] == "ship since 28 January 2025 keep running since 1 January 2025"
        page.get_by_role("link", name="One-page checkout").first.click()
        assert texts(page, "h2")[0] == "Ship one_page"


def test_names_from_the_registry_are_text_not_markup(
    reports: dict[str, Report], tmp_path: Path, browser: Browser
) -> None:
    odd = '<script>alert(1)</script> & "quotes"'
    report = reports["winner"]
    named = replace(report, experiment=replace(report.experiment, name=odd, hypothesis=odd, owner=odd))
    (tmp_path / "odd.html").write_text(page(named), encoding="utf-8")
    with opened(browser, tmp_path / "odd.html", 1280) as (opened_page, complaints):
        assert texts(opened_page, "h1") == [odd]
        assert complaints == []


def test_what_is_missing_leaves_its_section_out(reports: dict[str, Report]) -> None:
    html = page(replace(reports["winner"], series=Series()))
    assert "Effect by day" not in html
    assert "How it is spread" not in html
    assert "All numbers" in html


def test_the_same_read_out_gives_the_same_bytes(reports: dict[str, Report]) -> None:
    assert page(reports["winner"]) == page(reports["winner"])


def test_pictures_for_dagster_are_png(reports: dict[str, Report]) -> None:
    drawn = pictures(reports["running"])
    assert list(drawn) == ["effects", "revenue: effect by day", "clicks_per_view: effect by day"]
    for drawing in drawn.values():
        assert png(drawing).startswith(b"\x89PNG")


def test_the_programme_shows_one_part_of_itself_by_its_filters(browser: Browser, folder: Path) -> None:
    def shown() -> list[str]:
        return [text for text in texts(page, ".badge") if text]

    with opened(browser, folder / "index.html", 1280) as (page, _):
        filters = texts(page, ".filters a")
        assert filters == ["All 3", "Waits for a decision 2", "Is running 1", "Has not started 0", "Has ended 0"]
        for name, expected in (("Is running", 1), ("Waits for", 2), ("Has ended", 0), ("All", 3)):
            page.get_by_role("link", name=name).click()
            assert page.locator(".card:visible").count() == expected
        assert shown() == ["ship", "do not decide", "keep running"]


def test_where_an_experiment_stands() -> None:
    one, calm = experiment(), experiment(is_aa=True)
    running, over = one.end_date - dt.timedelta(days=1), one.end_date

    def standing(as_of: dt.date, verdict: Verdict, days_later: int = 0, of: Experiment = one) -> Standing:
        readout = Readout("checkout", as_of, verdict, (), (), ())
        return standing_of(of, readout, as_of + dt.timedelta(days=days_later))

    assert standing(running, Verdict.KEEP_RUNNING) == Standing.RUNS
    assert standing(running, Verdict.DO_NOT_DECIDE) == Standing.RUNS
    assert standing(running, Verdict.SHIP) == Standing.WAITS
    assert standing(running, Verdict.DO_NOT_SHIP) == Standing.WAITS
    assert standing(over, Verdict.DO_NOT_DECIDE) == Standing.WAITS
    assert standing(over, Verdict.SHIP, 14) == Standing.WAITS
    assert standing(over, Verdict.SHIP, 15) == Standing.ENDED
    assert standing(over, Verdict.DO_NOT_SHIP, of=calm) == Standing.ENDED
    assert standing(over, Verdict.DO_NOT_DECIDE, 15, replace(one, is_inferred=True)) == Standing.RUNS
    assert standing_of(one, None, one.start_date - dt.timedelta(days=1)) == Standing.PLANNED
    assert standing_of(one, None, over + dt.timedelta(days=1)) == Standing.ENDED
