"""Why an experiment has no read-out, told apart: not built, without users, users without events."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pytest

from ab_pipeline.experiments.declaration import Experiment, Variant
from ab_pipeline.experiments.registry import Registry
from ab_pipeline.readouts.unread import NOT_BUILT, why_unread
from ab_pipeline.warehouse.duckdb import DuckDBSession

BUILT = """
    create schema analytics;
    create table analytics.dim_experiment (experiment_id varchar);
    create table analytics.experiment_units (experiment_id varchar, user_id integer, exclusion varchar);
    insert into analytics.dim_experiment values ('empty'), ('quiet'), ('left_out'), ('read');
    insert into analytics.experiment_units values
        ('quiet', 1, null), ('quiet', 2, 'no metadata'), ('left_out', 3, 'no metadata'), ('read', 4, null);
"""


def experiment(name: str) -> Experiment:
    variants = (Variant(f"{name}_a", True, 1), Variant(f"{name}_b", False, 1))
    return Experiment(name, name, "h", "o", dt.date(2025, 1, 1), dt.date(2025, 1, 31), 0, 1.0, variants)


REGISTRY = Registry(tuple(map(experiment, ("new", "empty", "quiet", "left_out", "read"))), ())


@pytest.fixture
def session(tmp_path: Path) -> DuckDBSession:
    return DuckDBSession(duckdb.connect(tmp_path / "warehouse.duckdb"))


def test_each_state_has_its_sentence(session: DuckDBSession) -> None:
    session.connection.execute(BUILT)
    found = why_unread(session, REGISTRY, read=["read"])
    assert found["new"] == NOT_BUILT
    assert found["empty"] == "it has no users: user_variant assigns nobody to empty_a, empty_b"
    assert found["quiet"] == (
        "2 users are assigned, and no day from 2025-01-01 to 2025-01-31 has events of users in variants"
    )
    assert found["left_out"].startswith("1 users are assigned, and none of them counts")
    assert found.keys() == {"new", "empty", "quiet", "left_out"}
    session.connection.close()


def test_before_the_first_build_everything_is_yet_to_be_built(session: DuckDBSession) -> None:
    assert set(why_unread(session, REGISTRY).values()) == {NOT_BUILT}
    session.connection.close()
