"""Files as people had them, each with the answer that it should have got: `cases/` beside the tests."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from ab_pipeline_tests.files.command_line import Answer, loaded, typed

CASES = Path(__file__).parents[1] / "cases"
AT = dt.datetime(2026, 1, 3, 10)  # noqa: DTZ001 a wall clock
EVENT = (7, AT, 5, 1, 1, 1299)


@pytest.fixture
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of the case's files."""
    shutil.copytree(CASES / request.param, tmp_path, dirs_exist_ok=True)
    return tmp_path


def case(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("folder", [name], indirect=True)


def analyzed(folder: Path) -> Answer:
    return typed((folder / "cmd").read_text().split(";")[0].removeprefix("ab-pipeline "), folder)


def numbers(folder: Path) -> dict:
    line = (folder / "cmd").read_text().removeprefix("ab-pipeline ")
    document = json.loads(typed(f"{line.strip()} --json", folder).text)
    [row] = [row for row in document["results"] if row["method"] in ("welch", "delta") and row["segment"] == "all"]
    return {**row, "verdict": document["verdict"], "gates": {one["name"]: one["status"] for one in document["gates"]}}


@case("analyze-aov-as-percent")
def test_an_average_order_value_is_no_per_cent(folder: Path) -> None:
    rows = [line.split(",") for line in (folder / "users.csv").read_text().splitlines()[1:]]
    revenue, orders = (sum(float(row[n]) for row in rows if row[1] == "treatment") for n in (2, 3))
    assert numbers(folder)["mean_treatment"] == pytest.approx(revenue / orders)
    [line] = [line for line in analyzed(folder).text.splitlines() if line.startswith("│ revenue") and "│ raw" in line]
    assert [cell.strip() for cell in line.split("│")][5:7] == ["40.29", "39.64"]


@case("analyze-case-of-variants")
def test_variants_that_differ_in_case_only_are_joined(folder: Path) -> None:
    found = numbers(folder)
    assert (found["verdict"], found["n_control"] + found["n_treatment"]) == ("ship", 8000)
    assert found["relative_effect"] == pytest.approx(0.20, abs=0.005)
    assert found["p_value"] == pytest.approx(0.004, abs=0.0005)
    assert "'Treatment' differs from 'treatment' in case or blanks only: joined." in analyzed(folder).text


@case("analyze-control-by-alphabet")
def test_the_control_is_guessed_by_its_name_and_that_is_said(folder: Path) -> None:
    found = numbers(folder)
    assert (found["control_id"], found["verdict"]) == ("old_page", "ship")
    assert found["relative_effect"] > 0
    assert "Compared with old_page, since its name says 'old': --control NAME says otherwise." in analyzed(folder).text


@case("analyze-copies-of-rows")
def test_exact_copies_count_once(folder: Path) -> None:
    found = numbers(folder)
    assert found["n_control"] + found["n_treatment"] == 5000
    text = analyzed(folder).text
    assert "50 of 5,050 rows are exact copies of another: they are counted once." in text
    assert "sum" not in text


@case("analyze-decimal-comma")
def test_semicolons_come_with_decimal_commas(folder: Path) -> None:
    rows = [line.split(";") for line in (folder / "users.csv").read_text().splitlines()[1:]]
    control = [float(row[2].replace(",", ".")) for row in rows if row[1] == "control"]
    assert numbers(folder)["mean_control"] == pytest.approx(sum(control) / len(control))


@case("analyze-empty-is-r")
def test_na_is_an_empty_cell(folder: Path) -> None:
    assert "users have no revenue (NA): it counts as 0 for them." in analyzed(folder).text


@case("analyze-excel-blank-rows")
def test_rows_that_are_empty_throughout_are_no_users(folder: Path) -> None:
    found = numbers(folder)
    assert found["n_control"] + found["n_treatment"] == 200
    assert "left out" not in analyzed(folder).text


@case("analyze-gz-tsv")
def test_gzip_and_tabs_are_read(folder: Path) -> None:
    for name in ("users.csv.gz", "users.tsv"):
        answer = typed(f"analyze {name} --variant variant --metric revenue", folder)
        assert answer.code == 0
        assert answer.text.startswith("users, as of ")


@case("analyze-latin1")
def test_what_is_not_utf_8_is_said_with_the_option_that_says_otherwise(folder: Path) -> None:
    answer = analyzed(folder)
    assert answer.code == 0
    assert "users.csv is not UTF-8: it is read as windows-1252 (latin-1); --encoding says otherwise." in answer.text


@case("analyze-one-extra-comma")
def test_a_line_with_a_value_too_many_is_named(folder: Path) -> None:
    answer = analyzed(folder)
    assert answer.code == 1
    assert answer.text == "Error: users.csv, line 52: 5 values, the header has 4: '5050,,control,55.17,1'\n"


@case("analyze-segment-named-free")
def test_a_segment_that_is_called_free_is_no_emoji(folder: Path) -> None:
    text = analyzed(folder).text
    assert "the worst plan:free: control 343" in text
    assert "\N{SQUARED FREE}" not in text


@case("analyze-users-in-both")
def test_users_in_both_variants_are_left_out_and_gated(folder: Path) -> None:
    found = numbers(folder)
    assert found["gates"]["several_variants"] == "warn"
    assert found["n_control"] + found["n_treatment"] == 4980
    assert "20 of 5,000 users in several variants (0.40 %, fails above 1 %)" in analyzed(folder).text


@case("load-decimal-amount")
def test_money_with_decimals_is_loaded(folder: Path) -> None:
    answer = typed("load user_event events.csv", folder)
    assert "paidamount is decimal(18,2): the built-in models take integer, and refuse to build from it" in answer.text
    assert loaded(folder) == [(*EVENT[:-1], Decimal("12.99"))]


@case("load-epoch-ms")
def test_milliseconds_since_1970_are_a_time(folder: Path) -> None:
    assert typed("load user_event events.csv", folder).code == 0
    assert loaded(folder) == [EVENT]


@case("load-extra-columns")
def test_columns_that_the_table_does_not_have_are_left_out_and_named(folder: Path) -> None:
    assert "events.csv: event_id, session_id left out." in typed("load user_event events.csv", folder).text
    assert loaded(folder) == [EVENT]


@case("load-other-names")
def test_columns_of_other_names_are_asked_for_and_mapped(folder: Path) -> None:
    answer = typed("load user_event events.csv", folder)
    assert answer.code == 1
    assert "--columns user_id=NAME,... says which is which" in answer.text
    names = "user_id=visitor,datestamp=ts,item_id=sku,clicked=is_click,purchased=is_purchase,paidamount=cents"
    assert typed(f"load user_event events.csv --columns {names}", folder).code == 0
    assert loaded(folder) == [EVENT]


@case("load-true-false")
def test_true_and_false_are_one_and_zero(folder: Path) -> None:
    assert typed("load user_event events.csv", folder).code == 0
    assert loaded(folder) == [(7, AT, 5, 1, 0, 0)]


@case("load-unload-names")
def test_the_names_that_unload_gives_are_read(folder: Path) -> None:
    assert typed("load user_event events_0000_part_00.gz", folder).code == 0
    assert loaded(folder) == [EVENT]


@case("load-uuid-users")
def test_ids_of_any_type_are_loaded(folder: Path) -> None:
    answer = typed("load user_event events.csv", folder)
    assert "user_id is varchar(64): the built-in models take integer" in answer.text
    assert loaded(folder) == [("3dabd3f4-d569-dfe7-e092-22f7a6fd601b", *EVENT[1:])]


@case("load-zone-of-the-days")
def test_a_time_with_a_zone_falls_on_the_day_of_the_pipelines_zone(folder: Path) -> None:
    answer = typed("load user_event events.csv", folder, TIMEZONE="America/Los_Angeles")
    assert answer.text == "raw_data.user_event: 1 row from 1 file, 2026-01-03\n"
    assert loaded(folder, "datestamp") == [(dt.datetime(2026, 1, 3, 23, 30),)]  # noqa: DTZ001
