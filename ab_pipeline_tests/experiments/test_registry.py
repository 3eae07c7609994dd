"""What is declared: values when it is right, every mistake at once with file, row and column when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ab_pipeline.experiments.declaration import MetricKind, MetricRole
from ab_pipeline.experiments.registry import RegistryError, read_registry
from ab_pipeline.paths import REGISTRY
from ab_pipeline.sample_data.experiments import EXPERIMENTS

GOOD = {
    "experiments": "experiment_id,name,hypothesis,owner,start_date,end_date,pre_period_days,allocation,is_aa\n"
    "e,Name,Why,who,2025-01-02,2025-01-09,7,0.5,false\n",
    "experiment_variants": "experiment_id,variant_id,is_control,expected_weight\ne,c,true,1\ne,t,false,2\n",
    "metrics": "metric_id,kind,numerator,denominator,cap,direction,role,minimum_effect\n"
    "m,count,num_of_purchases,,0.99,increase,primary,0.02\n",
}


def write(folder: Path, **changed: str) -> Path:
    for name, text in {**GOOD, **changed}.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def mistakes(folder: Path) -> list[str]:
    with pytest.raises(RegistryError) as raised:
        read_registry(folder)
    return str(raised.value).splitlines()


def test_the_files_of_the_project_declare_the_experiments_of_the_sample() -> None:
    registry = read_registry(REGISTRY)
    assert [
        (
            e.experiment_id,
            e.start_date,
            e.end_date,
            {(v.variant_id, v.is_control, v.expected_weight) for v in e.variants},
        )
        for e in registry.experiments
    ] == [
        (
            e.experiment_id,
            e.start_date,
            e.end_date,
            {(v.variant_id, v.is_control, v.expected_weight) for v in e.variants},
        )
        for e in EXPERIMENTS
    ]
    assert {metric.role for metric in registry.metrics} == set(MetricRole)
    assert {metric.kind for metric in registry.metrics} == set(MetricKind)


def test_an_empty_cell_of_a_metric_is_none(tmp_path: Path) -> None:
    [metric] = read_registry(write(tmp_path)).metrics
    assert (metric.denominator, metric.cap) == (None, 0.99)


def test_all_mistakes_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        experiments=GOOD["experiments"].replace("2025-01-02", "2.1.2025"),
        experiment_variants=GOOD["experiment_variants"].replace("t,false,2", "t,perhaps,-1"),
        metrics=GOOD["metrics"].replace("count", "sum"),
    )
    found = mistakes(tmp_path)
    assert [line.split(": ")[0] for line in found] == [
        "experiments.csv, row 2, column start_date",
        "experiment_variants.csv, row 3, column is_control",
        "metrics.csv, row 2, column kind",
    ]
    assert "'2.1.2025' is not a valid date" in found[0]


@pytest.mark.parametrize(
    ("file", "old", "new", "mistake"),
    [
        (
            "experiments",
            "2025-01-09",
            "2025-01-01",
            "row 2, column end_date: 2025-01-01 is before the start, 2025-01-02",
        ),
        ("experiments", ",7,", ",-7,", "row 2, column pre_period_days: -7 is below zero"),
        ("experiments", ",0.5,", ",1.5,", "row 2, column allocation: 1.5 is not a share above 0 and up to 1"),
        ("experiments", "Why", "", "row 2, column hypothesis: it is empty"),
        ("experiments", ",owner", "", "row 1: column owner is missing"),
        ("experiments", "is_aa", "is_ab", "row 1: no column is called 'is_ab'"),
        ("experiments", "who,", "", "row 2: it has more or fewer values than the 9 columns"),
        ("experiment_variants", "e,t", "f,t", "row 3, column experiment_id: 'f' is in no row of experiments.csv"),
        ("experiment_variants", "e,t", "e,c", "row 2, column variant_id: 'c' stands in 2 rows"),
        ("experiment_variants", "false", "true", "row 3, column is_control: 't' is the second control"),
        ("experiment_variants", "e,t,false,2", "e,t,false,0", "row 3, column expected_weight: 0 is not above zero"),
        ("metrics", "num_of_purchases", "purchases", "row 2, column numerator: 'purchases' is none of num_of_items,"),
        ("metrics", "count", "ratio", "row 2, column denominator: it is empty, and a ratio needs one"),
        ("metrics", "count", "proportion", "row 2, column cap: a proportion has none"),
        ("metrics", "0.99", "99", "row 2, column cap: 99 is not a quantile between 0 and 1"),
        ("metrics", "0.02", "nan", "row 2, column minimum_effect: nan is not above zero"),
        ("metrics", "primary", "secondary", "column role: no metric is primary"),
    ],
)
def test_a_mistake_is_named_with_its_row_and_column(
    tmp_path: Path, file: str, old: str, new: str, mistake: str
) -> None:
    found = mistakes(write(tmp_path, **{file: GOOD[file].replace(old, new)}))
    assert any(line.startswith(f"{file}.csv") and mistake in line for line in found), found


def test_an_experiment_without_variants_or_without_a_control_is_none(tmp_path: Path) -> None:
    write(tmp_path, experiment_variants=GOOD["experiment_variants"].replace("true", "false"))
    assert mistakes(tmp_path) == [
        "experiments.csv, row 2, column experiment_id: none of its variants in experiment_variants.csv is the control"
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "metrics.csv").unlink()
    [line] = mistakes(tmp_path)
    assert line.startswith("metrics.csv cannot be read: ")
