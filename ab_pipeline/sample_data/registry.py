"""The registry of a sample: its experiments as a team would declare them, without the truth about them."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from ab_pipeline.paths import REGISTRY
from ab_pipeline.sample_data.experiments import NO_DIFFERENCE
from ab_pipeline.sample_data.spec import SampleSpec

_EXPERIMENT = (
    "experiment_id",
    "name",
    "hypothesis",
    "owner",
    "start_date",
    "end_date",
    "pre_period_days",
    "allocation",
)


def write_registry(folder: Path, spec: SampleSpec) -> None:
    """Write the three files; the metrics are those of the project."""
    folder.mkdir(parents=True, exist_ok=True)
    aa = NO_DIFFERENCE.experiment_id
    _write(
        folder / "experiments.csv",
        (*_EXPERIMENT, "is_aa"),
        ((*(getattr(one, name) for name in _EXPERIMENT), _word(one.experiment_id == aa)) for one in spec.experiments),
    )
    _write(
        folder / "experiment_variants.csv",
        ("experiment_id", "variant_id", "is_control", "expected_weight"),
        (
            (one.experiment_id, variant.variant_id, _word(variant.is_control), variant.expected_weight)
            for one in spec.experiments
            for variant in one.variants
        ),
    )
    shutil.copyfile(REGISTRY / "metrics.csv", folder / "metrics.csv")


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _word(value: bool) -> str:
    return str(value).lower()
