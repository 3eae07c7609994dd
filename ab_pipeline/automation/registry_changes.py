"""Whether the registry's files are what its tables were built from: an edited declaration is due like a raw row."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

from pydantic import TypeAdapter

from ab_pipeline.automation.signatures import is_built
from ab_pipeline.experiments.declaration import Experiment, Metric, Variant
from ab_pipeline.experiments.registry import RegistryError, read_registry
from ab_pipeline.warehouse.base import BUILT_SCHEMA, Session

SEEDS = ("experiments", "experiment_variants", "metrics")
_NOT_IN_FILES = {"variants", "is_inferred"}


@dataclass(frozen=True)
class RegistryState:
    """The files beside the tables."""

    difference: str = ""
    """A text that stands for what differs; empty if nothing does, or cannot be built."""
    mistakes: str = ""
    """What keeps the files from being built."""


def registry_state(session: Session, folder: Path) -> RegistryState:
    """Compare what is declared with what is built. Before the first build of the registry nothing is said of it."""
    if not is_built(session, SEEDS):
        return RegistryState()
    try:
        registry = read_registry(folder)
    except RegistryError as error:
        return RegistryState(mistakes=str(error))
    declared = {
        "experiments": {_key(Experiment, one) for one in registry.experiments},
        "experiment_variants": {
            (one.experiment_id, *_key(Variant, variant)) for one in registry.experiments for variant in one.variants
        },
        "metrics": {_key(Metric, one) for one in registry.metrics},
    }
    built = {
        "experiments": _built(session, "experiments", Experiment, variants=()),
        "experiment_variants": _built(session, "experiment_variants", Variant),
        "metrics": _built(session, "metrics", Metric),
    }
    differing = sorted({(name, *map(str, row)) for name in SEEDS for row in declared[name] ^ built[name]})
    missing = "" if is_built(session, ["dim_experiment", "experiment_units"]) else "not built"
    return RegistryState(hashlib.sha256(f"{differing}{missing}".encode()).hexdigest() if differing or missing else "")


def files_token(folder: Path) -> str:
    """Differs after every edit of the files."""
    content = hashlib.sha256()
    for name in SEEDS:
        path = folder / f"{name}.csv"
        content.update(path.read_bytes() if path.exists() else b"-")
    return content.hexdigest()[:16]


def _built(session: Session, table: str, kind: type, **given: object) -> set[tuple[object, ...]]:
    """The rows of a seed's table, each as the files' rows are read."""
    names = _names(kind)
    of_experiment = ["experiment_id"] if kind is Variant else []
    columns = [*of_experiment, *names]
    adapter = TypeAdapter(kind)
    found: set[tuple[object, ...]] = set()
    for row in session.rows(f"select {', '.join(columns)} from {BUILT_SCHEMA}.{table}"):
        cells = {name: cell.strip() if isinstance(cell, str) else cell for name, cell in zip(columns, row, strict=True)}
        value = adapter.validate_python({**{name: cells[name] for name in names}, **given})
        found.add((*(cells[name] for name in of_experiment), *_key(kind, value)))
    return found


def _key(kind: type, value: object) -> tuple[object, ...]:
    return tuple(getattr(value, name) for name in _names(kind))


def _names(kind: type) -> list[str]:
    return [field.name for field in fields(kind) if field.name not in _NOT_IN_FILES]
