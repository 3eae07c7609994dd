"""Files of the shapes in which teams publish A/B tests, with made-up values: the answer is scipy's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ab_pipeline_tests.files.command_line import typed

N = 600


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def answer(folder: Path, line: str) -> dict:
    found = typed(f"analyze {line} --json", folder)
    assert found.code == 0, found.text
    document = json.loads(found.text)
    return next(row for row in document["results"] if row["method"] in ("welch", "delta"))


def assert_is_welch(row: dict, treatment: Any, control: Any) -> None:
    treatment, control = np.asarray(treatment), np.asarray(control)
    welch = stats.ttest_ind(treatment, control, equal_var=False)
    low, high = welch.confidence_interval(0.95)
    p_value = welch[1]
    assert (row["n_control"], row["n_treatment"]) == (len(control), len(treatment))
    assert (row["absolute_effect"], row["absolute_ci_low"], row["absolute_ci_high"], row["p_value"]) == pytest.approx(
        (np.mean(treatment) - np.mean(control), low, high, p_value), rel=1e-7
    )


def test_landing_pages_with_times_and_users_in_both_groups(tmp_path: Path, rng: np.random.Generator) -> None:
    frame = pd.DataFrame({"user_id": rng.permutation(N) + 630_000, "timestamp": "2017-01-11 22:11:48.556739"})
    frame["group"] = np.where(np.arange(N) % 2, "treatment", "control")
    frame["landing_page"] = np.where(np.arange(N) % 2, "new_page", "old_page")
    frame["converted"] = (rng.random(N) < 0.12).astype(int)
    both = frame.head(4).assign(group=["treatment", "control"] * 2)
    pd.concat([frame, both, frame.tail(5)]).to_csv(tmp_path / "ab_data.csv", index=False)
    kept = frame.iloc[4:]
    row = answer(tmp_path, "ab_data.csv --variant group --metric converted --user user_id")
    assert_is_welch(row, *(kept.loc[kept.group == name, "converted"].to_numpy() for name in ("treatment", "control")))


def test_a_game_with_gates_and_retention_in_words(tmp_path: Path, rng: np.random.Generator) -> None:
    frame = pd.DataFrame({"userid": range(N), "version": np.where(rng.random(N) < 0.5, "gate_30", "gate_40")})
    frame["retention_7"] = rng.random(N) < 0.19
    frame.to_csv(tmp_path / "cats.csv", index=False)
    row = answer(tmp_path, "cats.csv --variant version --metric retention_7 --user userid --control gate_30")
    assert_is_welch(
        row, *(frame.loc[frame.version == name, "retention_7"].astype(float) for name in ("gate_40", "gate_30"))
    )


def test_advertisements_with_an_index_and_names_with_spaces(tmp_path: Path, rng: np.random.Generator) -> None:
    frame = pd.DataFrame({"user id": range(N), "test group": np.where(rng.random(N) < 0.9, "ad", "psa")})
    frame["total ads"] = rng.poisson(20, N)
    frame.to_csv(tmp_path / "marketing_AB.csv")
    line = "marketing_AB.csv --variant 'test group' --metric 'total ads' --user 'user id' --control psa"
    row = answer(tmp_path, f"{line} --weight ad=9 --weight psa=1")
    assert_is_welch(row, *(frame.loc[frame["test group"] == name, "total ads"] for name in ("ad", "psa")))


def test_two_groups_of_days_in_semicolons_and_decimal_commas(tmp_path: Path, rng: np.random.Generator) -> None:
    frame = pd.DataFrame({"Campaign Name": ["Control Campaign", "Test Campaign"] * 30, "Date": range(60)})
    frame["Spend [USD]"] = np.round(rng.normal(2300, 300, 60), 2)
    frame.to_csv(tmp_path / "groups.csv", index=False, sep=";", decimal=",")
    row = answer(tmp_path, "groups.csv --variant 'Campaign Name' --metric 'Spend [USD]'")
    spend = frame.groupby("Campaign Name")["Spend [USD]"].apply(np.array)
    assert_is_welch(row, spend["Test Campaign"], spend["Control Campaign"])


def test_promotions_of_three_kinds_by_number(tmp_path: Path, rng: np.random.Generator) -> None:
    frame = pd.DataFrame({"LocationID": range(N), "Promotion": rng.integers(1, 4, N)})
    frame["SalesInThousands"] = np.round(rng.gamma(9, 6, N), 2)
    frame.to_parquet(tmp_path / "fast_food.parquet")
    row = answer(tmp_path, "fast_food.parquet --variant Promotion --metric SalesInThousands --control 1")
    sales = frame.groupby("Promotion").SalesInThousands.apply(np.array)
    assert_is_welch(row, sales[2], sales[1])


def test_a_workbook_of_sleep_with_a_column_a_drug(tmp_path: Path, rng: np.random.Generator) -> None:
    one, other = np.round(rng.normal(0.7, 1.8, 40), 1), np.round(rng.normal(2.3, 2.0, 35), 1)
    pd.DataFrame({"drug_1": pd.Series(one), "drug_2": pd.Series(other)}).to_excel(tmp_path / "sleep.xlsx", index=False)
    row = answer(tmp_path, "sleep.xlsx --wide --control drug_1")
    assert_is_welch(row, other, one)


def test_sessions_of_users_with_rs_words_for_nothing(tmp_path: Path, rng: np.random.Generator) -> None:
    users = rng.integers(0, N, 5 * N)
    frame = pd.DataFrame({"visitor": users, "variant": np.where(users % 2, "B", "A")})
    frame["minutes"] = np.where(rng.random(5 * N) < 0.2, np.nan, np.round(rng.gamma(2, 4, 5 * N), 3))
    frame.to_csv(tmp_path / "sessions.tsv", index=False, sep="\t", na_rep="NA")
    row = answer(tmp_path, "sessions.tsv --variant variant --metric minutes --user visitor --sum-rows")
    totals = frame.groupby(["variant", "visitor"]).minutes.sum()
    assert_is_welch(row, totals["B"].to_numpy(), totals["A"].to_numpy())


def test_a_table_of_counts(tmp_path: Path) -> None:
    pd.DataFrame({"version": ["Original", "B"], "visitors": [4_100, 4_050], "signups": [410, 465]}).to_csv(
        tmp_path / "counts.csv", index=False
    )
    row = answer(tmp_path, "counts.csv --variant version --metric signups --counts visitors")
    control, treatment = (np.repeat([1.0, 0.0], [yes, of - yes]) for of, yes in ((4_100, 410), (4_050, 465)))
    assert_is_welch(row, treatment, control)
