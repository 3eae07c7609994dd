"""`ab-pipeline analyze` as a person meets it: a file, an answer, or a sentence that says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from ab_pipeline.cli import main
from ab_pipeline.experiments.contract import SCHEMA_PATH
from ab_pipeline_tests.experiments.report.browser import chromium, opened, violations

USERS = 4_000
GUESSED = "user_id is taken to name the users: --user COL says otherwise, --user '' that each row is one."
NOT_CHECKED = "Not checked: whether a user is in several rows. --user COL names the users."


@pytest.fixture(scope="module")
def users() -> dict[str, np.ndarray]:
    """Of whom those with the treatment buy more often; who spent much before does so again."""
    rng = np.random.default_rng(3)
    variant = np.repeat(["control", "one_page"], USERS // 2)
    before = rng.gamma(1.0, 20.0, USERS)
    bought = rng.random(USERS) < np.where(variant == "control", 0.20, 0.27)
    views = rng.poisson(9, USERS) + 1
    return {
        "user_id": np.arange(USERS),
        "variant": variant,
        "revenue": np.round(bought * (0.8 * before + rng.gamma(1.0, 10.0, USERS)), 2),
        "bought": bought,
        "clicks": rng.binomial(views, 0.2),
        "views": views,
        "before": np.round(before, 2),
        "plan": np.where(before > 30, "paid", "free"),
    }


@pytest.fixture(scope="module")
def file(users: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("users") / "checkout.csv"
    rows = zip(*(values.tolist() for values in users.values()), strict=True)
    lines = [",".join(users), *(",".join(map(str, row)).lower() for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["analyze", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def answer(path: Path, *arguments: object) -> dict:
    code, output, errors = run(path, "--variant", "variant", "--json", *arguments)
    assert code == 0, errors
    document = json.loads(output)
    jsonschema.validate(document, json.loads(SCHEMA_PATH.read_text()))
    return document


def row(document: dict, metric_id: str, method: str) -> dict:
    [found] = [r for r in document["results"] if (r["metric_id"], r["method"]) == (metric_id, method)]
    return found


def written(folder: Path, text: str) -> Path:
    path = folder / "odd.csv"
    path.write_text(text)
    return path


def test_a_mean_is_scipys_welch(file: Path, users: dict[str, np.ndarray]) -> None:
    document = answer(file, "--metric", "revenue")
    revenue = [users["revenue"][users["variant"] == name] for name in ("control", "one_page")]
    welch = stats.ttest_ind(revenue[1], revenue[0], equal_var=False)
    low, high = welch.confidence_interval(0.95)
    found = row(document, "revenue", "welch")
    assert (found["p_value"], found["absolute_ci_low"], found["absolute_ci_high"]) == pytest.approx(
        (welch[1], low, high), rel=1e-8
    )
    assert (document["experiment_id"], document["verdict"]) == ("checkout", "ship")
    assert (found["n_control"], found["n_treatment"], found["control_id"]) == (2_000, 2_000, "control")


def test_a_boolean_is_a_proportion_and_a_pair_of_columns_a_ratio(file: Path, users: dict[str, np.ndarray]) -> None:
    document = answer(file, "--metric", "bought", "--metric", "clicks/views", "--metric", "revenue:proportion")
    control = users["variant"] == "control"
    assert row(document, "bought", "welch")["mean_control"] == pytest.approx(users["bought"][control].mean())
    ratio = users["clicks"][control].sum() / users["views"][control].sum()
    assert row(document, "clicks/views", "delta")["mean_control"] == pytest.approx(ratio)
    assert row(document, "revenue", "welch")["mean_control"] == row(document, "bought", "welch")["mean_control"]


def test_a_covariate_narrows_the_interval_and_a_cap_cuts(file: Path) -> None:
    document = answer(file, "--metric", "revenue", "--covariate", "before", "--cap", "0.95")
    widths = {
        method: found["absolute_ci_high"] - found["absolute_ci_low"]
        for method in ("welch", "winsorized", "cuped", "always_valid")
        for found in [row(document, "revenue", method)]
    }
    assert sorted(widths, key=lambda method: widths[method]) == ["cuped", "winsorized", "welch", "always_valid"]
    assert row(document, "revenue", "winsorized")["mean_control"] < row(document, "revenue", "welch")["mean_control"]


def test_parquet_gives_the_same(file: Path, tmp_path: Path) -> None:
    parquet = tmp_path / "checkout.parquet"
    duckdb.connect().execute(f"copy (from '{file}') to '{parquet}'")
    options = ("--metric", "revenue", "--user", "user_id")
    assert answer(parquet, *options) == answer(file, *options)


def test_decimal_columns_are_not_cut_to_whole_numbers(file: Path, tmp_path: Path) -> None:
    parquet = tmp_path / "checkout.parquet"
    duckdb.connect().execute(
        f"copy (select variant, cast(revenue as decimal(12, 2)) as revenue from '{file}') to '{parquet}'"
    )
    found, expected = (row(answer(path, "--metric", "revenue"), "revenue", "welch") for path in (parquet, file))
    assert found == expected


def test_the_control_can_be_named_and_less_can_be_better(file: Path) -> None:
    turned = answer(file, "--metric", "revenue", "--control", "one_page", "--lower-is-better", "revenue")
    found = row(turned, "revenue", "welch")
    assert (found["control_id"], found["variant_id"]) == ("one_page", "control")
    assert found["absolute_effect"] < 0
    assert turned["verdict"] == "ship"


def test_shares_that_are_not_as_expected_refuse(file: Path) -> None:
    even = answer(file, "--metric", "revenue")
    assert {gate["name"]: gate["status"] for gate in even["gates"]}["sample_ratio"] == "pass"
    uneven = answer(file, "--metric", "revenue", "--weight", "control=9", "--weight", "one_page=1")
    assert uneven["verdict"] == "do not decide"
    assert uneven["reasons"][0].startswith('Gate "Sample ratio" fails')


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--user", ""), "skipped", NOT_CHECKED),
        (("--user", "user_id"), "pass", None),
        ((), "pass", GUESSED),
    ],
)
def test_who_is_in_several_rows_or_variants_is_known_only_by_name(
    file: Path, options: tuple[str, ...], status: str, said: str | None
) -> None:
    document = answer(file, "--metric", "revenue", *options)
    assert {gate["name"]: gate["status"] for gate in document["gates"]}["several_variants"] == status
    assert {NOT_CHECKED, GUESSED}.intersection(document["reasons"]) == ({said} if said else set())


@pytest.mark.parametrize("name", ["user_id", "userId", "Visitor ID", "customer_uuid", "anonymous_id"])
def test_sessions_are_not_taken_for_users_where_a_column_tells_the_users(tmp_path: Path, name: str) -> None:
    rows = [f"{n % 40},{'a' if n % 40 < 20 else 'b'},{n}" for n in range(120)]
    path = written(tmp_path, "\n".join([f"{name},variant,revenue", *rows]))
    code, _, error = run(path, "--variant", "variant", "--metric", "revenue")
    assert code == 1
    assert f"--user {name}: user 0 is in 3 rows, one of 40 users with several." in error
    document = answer(path, "--metric", "revenue", "--sum-rows")
    assert row(document, "revenue", "welch")["n_control"] == 20
    assert NOT_CHECKED in answer(path, "--metric", "revenue", "--user", "")["reasons"]


def test_empty_cells_count_as_zero_and_rows_without_a_variant_are_left_out_and_both_are_told(tmp_path: Path) -> None:
    body = "".join(f"{variant},{value}\n" for variant in ("a", "b") for value in ("", "", 4, 6)) + ",9\n"
    document = answer(written(tmp_path, "variant,revenue\n" + body), "--metric", "revenue")
    assert row(document, "revenue", "welch")["mean_control"] == 2.5
    assert document["reasons"][-4:] == [
        "Read as it looks: revenue as a mean; --metric COL:kind says otherwise.",
        "1 of 9 rows have no variant and are left out.",
        "4 users have no revenue: it counts as 0 for them.",
        NOT_CHECKED,
    ]


def test_several_metrics_decide_and_are_adjusted_for_their_number(file: Path) -> None:
    document = answer(file, "--metric", "clicks", "--metric", "revenue", "--secondary", "bought")
    clicks, revenue, bought = (row(document, name, "welch") for name in ("clicks", "revenue", "bought"))
    assert revenue["p_value_adjusted"] == pytest.approx(2 * revenue["p_value"])
    assert clicks["p_value_adjusted"] == pytest.approx(clicks["p_value"])
    assert bought["p_value_adjusted"] == bought["p_value"]
    assert document["verdict"] == "ship"
    assert [reason.split()[0] for reason in document["reasons"][:2]] == ["clicks", "revenue"]


@pytest.mark.parametrize(
    ("guardrail", "said"),
    [
        ("clicks/views:0.1", "the guardrail holds, which allows 10 %."),
        ("clicks/views:ratio:0.1", "the guardrail holds, which allows 10 %."),
        ("clicks:mean:0.001", "the guardrail is not shown to hold, which allows 0.1 %."),
        ("clicks", "which allows 5 %."),
    ],
)
def test_a_guardrail_has_a_kind_and_a_margin(file: Path, guardrail: str, said: str) -> None:
    document = answer(file, "--metric", "revenue", "--guardrail", guardrail)
    assert document["reasons"][1].endswith(said)
    assert (document["verdict"] == "ship") == ("the guardrail holds" in document["reasons"][1])


def test_guardrails_alone_ask_whether_it_is_not_worse(file: Path) -> None:
    document = answer(file, "--guardrail", "clicks/views:0.1")
    assert document["verdict"] == "ship"
    assert document["reasons"][0] == "There are guardrails alone: what is asked is whether it is not worse."


def test_what_nobody_measured_can_be_left_out(tmp_path: Path) -> None:
    """With every empty rating as 0 it was +1.6 %, and is -9.5 %: the treatment had more people rate."""
    rng = np.random.default_rng(1)
    lines = ["variant,rating,bought"]
    for variant, share, mean in (("control", 0.5, 4.2), ("new", 0.5615, 3.8)):
        for rated, rating in zip(np.arange(2_000) < 2_000 * share, rng.normal(mean, 0.4, 2_000), strict=True):
            lines.append(f"{variant},{f'{rating:.2f}' if rated else ''},1")
    path = written(tmp_path, "\n".join(lines) + "\n")
    found = {}
    for missing in ("zero", "drop"):
        document = answer(path, "--metric", "rating", "--missing", missing)
        found[missing] = row(document, "rating", "welch")
    assert found["zero"]["relative_effect"] == pytest.approx(0.016, abs=0.01)
    assert found["drop"]["relative_effect"] == pytest.approx(-0.095, abs=0.01)
    assert found["drop"]["n_control"] < 1_100
    [told] = [reason for reason in document["reasons"] if "left out of it" in reason]
    assert told.endswith("% of new. The treatment may have changed who is measured.")
    assert "% of control, " in told


def test_a_file_of_users_as_they_were_plans_an_experiment(file: Path, users: dict[str, np.ndarray]) -> None:
    options = ("--plan", "--metric", "revenue", "--guardrail", "clicks/views:0.1", "--users-per-day", "500")
    code, output, errors = run(file, *options, "--covariate", "before", "--json")
    assert code == 0, errors
    plan = json.loads(output)
    assert [(one["metric_id"], one["role"], one["method"]) for one in plan["metrics"]] == [
        ("revenue", "primary", "cuped"),
        ("clicks/views", "guardrail", "cuped"),
    ]
    assert plan["metrics"][0]["mean"] == pytest.approx(users["revenue"].mean())
    assert plan["metrics"][0]["correlation"] == pytest.approx(
        np.corrcoef(users["revenue"], users["before"])[0, 1], abs=1e-6
    )
    assert (plan["days"] % 7, plan["users"]) == (0, max(one["users"] for one in plan["metrics"]))
    code, output, _ = run(file, *options, "--treatments", "2", "--sequential")
    assert code == 0
    assert "users in all variants" in output
    assert "One more costs: a primary metric " in output


def test_a_plan_says_what_it_needs(file: Path) -> None:
    assert "--plan takes --metric and --users-per-day" in run(file, "--plan", "--metric", "revenue")[2]
    assert "are of a plan: say --plan too" in run(file, "--variant", "v", "--metric", "x", "--treatments", "2")[2]
    options = ("--plan", "--metric", "revenue", "--users-per-day", "5")
    code, _, errors = run(file, *options, "--weight", "off=1")
    assert (code, "the control first" in errors) == (1, True)


def test_a_segments_groups_are_compared_and_whether_they_differ(file: Path, users: dict[str, np.ndarray]) -> None:
    options = ("--metric", "revenue", "--segment", "plan", "--segment", "bought")
    document = answer(file, *options)
    found = {one["segment"]: one for one in document["results"] if one["segment"] != "all"}
    assert list(found) == ["bought:false", "bought:true", "bought", "plan:free", "plan:paid", "plan"]
    paid = users["plan"] == "paid"
    revenue = [users["revenue"][paid & (users["variant"] == name)] for name in ("control", "one_page")]
    welch = stats.ttest_ind(revenue[1], revenue[0], equal_var=False)
    assert found["plan:paid"]["p_value"] == pytest.approx(welch[1], rel=1e-8)
    assert (found["plan"]["method"], found["plan"]["n_control"]) == ("interaction", USERS // 2)
    assert {gate["name"]: gate["status"] for gate in document["gates"]}["sample_ratio_by_segment"] == "fail"
    assert [one for one in document["results"] if one["segment"] == "all"] == answer(file, "--metric", "revenue")[
        "results"
    ]
    output = run(file, "--variant", "variant", *options)[1]
    assert [line.split("│")[3].strip() for line in output.split("Segments")[1].splitlines() if "│ revenue" in line] == [
        "bought:false",
        "bought:true",
        "bought: do they differ?",
        "plan:free",
        "plan:paid",
        "plan: do they differ?",
    ]


def test_an_empty_cell_is_a_group_of_its_own(tmp_path: Path) -> None:
    body = "".join(f"{variant},{value},{plan}\n" for variant in "ab" for value in (1, 2, 3) for plan in ("x'y", ""))
    path = written(tmp_path, "variant,revenue,the plan's\n" + body)
    document = answer(path, "--metric", "revenue", "--segment", "the plan's")
    assert [one["segment"] for one in document["results"]][2:] == ["the plan's:unknown", "the plan's:x'y", "the plan's"]


def test_in_the_terminal_the_verdict_comes_first(file: Path) -> None:
    code, output, _ = run(file, "--variant", "variant", "--metric", "revenue")
    lines = output.splitlines()
    assert code == 0
    assert lines[0].endswith(": Ship one_page")
    assert "better than the control." in lines[1]
    assert lines[2] == "  Compared with control, by its name: --control NAME says otherwise."
    assert GUESSED in lines[3]
    assert [line.split()[1] for line in lines if "│ revenue" in line] == ["revenue", "revenue"]


@pytest.mark.slow
def test_the_page_opens_in_a_browser(file: Path, tmp_path: Path) -> None:
    page_file = tmp_path / "page.html"
    code, _, errors = run(
        file,
        "--variant",
        "variant",
        "--metric",
        "revenue",
        "--cap",
        "0.99",
        *("--segment", "plan"),
        "--report",
        page_file,
    )
    assert (code, errors) == (0, f"Wrote {page_file}\n")
    with chromium() as browser, opened(browser, page_file, 768) as (page, complaints):
        assert page.locator("h2").first.inner_text() == "Ship one_page"
        assert page.locator("rect.bar").count() > 6
        assert str(file) in page.inner_text("body")
        assert GUESSED in page.inner_text(".verdict")
        assert page.get_by_role("heading", name="revenue by plan").is_visible()
        assert violations(page) == []
        assert complaints == []


ONE_ROW = " Each user has to have one row: --sum-rows sums up rows of sessions or days."


def not_numbers(column: str, *found: tuple[int, str]) -> str:
    return "\n".join(f"{{}}, line {line}, column {column}: found {value!r}, expected a number" for line, value in found)


GOOD = "user,variant,revenue\n1,a,1\n2,a,2\n3,b,3\n4,b,5\n"


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (
            GOOD,
            "--variant group --metric revenue",
            "--variant group: {} has no such column. It has: user, variant, revenue.",
        ),
        (
            GOOD,
            "--variant variant --metric spend",
            "--metric spend: {} has no such column. It has: user, variant, revenue.",
        ),
        (
            GOOD,
            "--variant variant --metric revenue:median",
            "--metric revenue:median: 'median' is no kind of metric. There are: mean, count, proportion, ratio.",
        ),
        (
            GOOD,
            "--variant variant --metric revenue:ratio",
            "--metric revenue:ratio: a ratio names two columns, as in --metric clicks/views.",
        ),
        (GOOD, "--variant variant --metric revenue --metric revenue", "--metric revenue: it is asked for twice."),
        (
            GOOD,
            "--variant variant --metric revenue --guardrail user:1.5",
            "--guardrail user:1.5: 1.5 is no margin between 0 and 1, such as 0.02.",
        ),
        (
            GOOD,
            "--variant variant --metric revenue --guardrail user:median",
            "--guardrail user:median: 'median' is no kind of metric. There are: mean, count, proportion, ratio.",
        ),
        (
            GOOD,
            "--variant variant --metric revenue --guardrail spend:0.1",
            "--guardrail spend: {} has no such column. It has: user, variant, revenue.",
        ),
        (
            GOOD,
            "--variant variant --metric revenue --control c",
            "--control c: there is no such variant. There are: a, b.",
        ),
        (
            GOOD,
            "--variant variant --metric revenue --weight c=1",
            "--weight c: there is no such variant. There are: a, b.",
        ),
        (
            GOOD,
            "--variant variant --metric revenue --lower-is-better user",
            "--lower-is-better user: no metric is called so.",
        ),
        (GOOD, "--variant variant --metric variant", not_numbers("variant", (2, "a"), (3, "a"), (4, "b"), (5, "b"))),
        (
            GOOD,
            "--variant variant --metric revenue --covariate variant",
            not_numbers("variant", (2, "a"), (3, "a"), (4, "b"), (5, "b")),
        ),
        (
            GOOD + "1,a,7\n",
            "--variant variant --metric revenue --user user",
            f"--user user: user 1 is in 2 rows.{ONE_ROW}",
        ),
        (
            GOOD + "1,a,7\n1,a,8\n2,a,1\n",
            "--variant variant --metric revenue --user user",
            f"--user user: user 1 is in 3 rows, one of 2 users with several.{ONE_ROW}",
        ),
        (
            GOOD + ",b,7\n",
            "--variant variant --metric revenue --user user",
            "--user user: 1 rows do not say which user they are of.",
        ),
        (
            "variant,revenue\na,1\na,2\n",
            "--variant variant --metric revenue",
            "--variant variant: two variants are needed, and the column has only 'a'.",
        ),
        (
            "variant,revenue\na,1\nb,inf\n",
            "--variant variant --metric revenue",
            not_numbers("revenue", (3, "inf")),
        ),
        (
            "variant,revenue\na,1\nb,abc\n",
            "--variant variant --metric revenue",
            not_numbers("revenue", (3, "abc")),
        ),
        (
            'note,variant,revenue\n"two\nlines",a,1\n\n,b,abc\n,b,?\n',
            "--variant variant --metric revenue",
            not_numbers("revenue", (5, "abc"), (6, "?")),
        ),
        (
            "variant;what'spaid\r\na;1\r\nb;abc\r\n",
            "--variant variant --metric what'spaid",
            not_numbers("what'spaid", (3, "abc")),
        ),
        (
            "variant,revenue\na,2025-01-01\nb,2025-01-02\n",
            "--variant variant --metric revenue",
            not_numbers("revenue", (2, "2025-01-01"), (3, "2025-01-02")),
        ),
        (
            "variant,revenue\na,\nb,\n",
            "--variant variant --metric revenue",
            "--metric revenue: the column has no number in it.",
        ),
        ("variant,revenue\n", "--variant variant --metric revenue", "{}: the file has no rows."),
        (
            GOOD,
            "--variant variant --metric revenue --segment plan",
            "--segment plan: {} has no such column. It has: user, variant, revenue.",
        ),
        (
            "variant,revenue,user\n" + "".join(f"{'ab'[n % 2]},{n},{n}\n" for n in range(60)),
            "--variant variant --metric revenue --segment user",
            "--segment user: it has 60 values, and 50 are the most. Put them into groups first.",
        ),
        (
            "variant,revenue,all\na,1,x\nb,2,x\n",
            "--variant variant --metric revenue --segment all",
            "--segment all: rename the column; `all` and names with a colon are taken.",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, text: str, options: str, sentence: str) -> None:
    path = written(tmp_path, text)
    code, output, errors = run(path, *options.split())
    assert (code, output, errors) == (1, "", f"Error: {sentence.replace('{}', str(path))}\n")


def test_a_value_of_a_parquet_file_is_named_by_its_row(tmp_path: Path) -> None:
    path = tmp_path / "odd.parquet"
    duckdb.connect().execute(f"copy (from (values ('a', '1'), ('b', 'abc')) as t(variant, revenue)) to '{path}'")
    code, _, errors = run(path, "--variant", "variant", "--metric", "revenue")
    assert (code, errors) == (1, f"Error: {path}, row 2, column revenue: found 'abc', expected a number\n")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.csv", "there is no such file"),
        ("missing.xlsx", "there is no such file"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, name: str, sentence: str) -> None:
    code, _, errors = run(tmp_path / name, "--variant", "variant", "--metric", "revenue")
    assert (code, errors) == (1, f"Error: {tmp_path / name}: {sentence}\n")


def test_a_file_that_is_not_what_its_name_says(tmp_path: Path) -> None:
    path = tmp_path / "users.parquet"
    path.write_text("variant,revenue\n")
    code, _, errors = run(path, "--variant", "variant", "--metric", "revenue")
    assert code == 1
    assert errors.startswith(f"Error: {path} cannot be read: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("weight", ["control", "control=", "control=none", "control=0", "=1"])
def test_a_weight_has_a_name_and_a_share(file: Path, weight: str) -> None:
    code, _, errors = run(file, "--variant", "variant", "--metric", "revenue", "--weight", weight)
    assert code == 2
    assert f"{weight!r} is not like control=0.9" in errors


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("a,1\nb,2\n", "revenue of b: no number, since a variant has one user, and two are needed for a variance."),
        ("a,3\na,3\nb,3\nb,3\n", "revenue of b: no number, since no user differs from another."),
    ],
)
def test_too_little_to_tell_is_not_decided(tmp_path: Path, rows: str, reason: str) -> None:
    document = answer(written(tmp_path, "variant,revenue\n" + rows), "--metric", "revenue")
    assert document["verdict"] == "do not decide"
    assert reason in document["reasons"]
