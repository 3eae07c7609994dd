"""Loading: every row of every file, or nothing."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ab_pipeline.files.words import NULLS
from ab_pipeline.raw_data.contract import USER_METADATA, USER_VARIANT
from ab_pipeline.raw_data.errors import LoadError
from ab_pipeline.raw_data.load import LoadOrder, LoadSummary, Replaced, load
from ab_pipeline.warehouse.base import Row
from ab_pipeline.warehouse.duckdb import DuckDBSession, DuckDBWarehouse

HEADER = "user_id,variant_id"


@pytest.fixture
def session() -> Iterator[DuckDBSession]:
    with duckdb.connect() as connection:
        yield DuckDBSession(connection)


def write_csv(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines))
    return str(path)


def variants(session: DuckDBSession) -> list[Row]:
    return session.rows("select user_id, variant_id from raw_data.user_variant order by all")


# What is loaded


def test_a_load_creates_the_table_and_appends_to_it(session: DuckDBSession, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "v.csv", HEADER, "1,a", "2,b")
    assert load(session, USER_VARIANT, [path]) == LoadSummary((Path(path),), 2)
    load(session, USER_VARIANT, [path], LoadOrder(again=True))
    assert variants(session) == [(1, "a"), (1, "a"), (2, "b"), (2, "b")]


def test_replace_deletes_the_rows_that_were_there(session: DuckDBSession, tmp_path: Path) -> None:
    load(session, USER_VARIANT, [write_csv(tmp_path / "old.csv", HEADER, "1,a")])
    load(session, USER_VARIANT, [write_csv(tmp_path / "new.csv", HEADER, "2,b")], LoadOrder(Replaced.DAYS))
    assert variants(session) == [(2, "b")]


def test_patterns_are_expanded_and_a_file_that_two_of_them_match_is_loaded_once(
    session: DuckDBSession, tmp_path: Path
) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for user, name in enumerate(("b.csv", "a.csv", "deep/er/c.csv", "d[1].csv")):
        write_csv(tmp_path / name, HEADER, f"{user},v")
    summary = load(session, USER_VARIANT, [f"{tmp_path}/d[1].csv", f"{tmp_path}/deep/../*.csv", f"{tmp_path}/**/*.csv"])
    names = ["d[1].csv", "a.csv", "b.csv", "deep/er/c.csv"]
    assert [str(path.resolve().relative_to(tmp_path)) for path in summary.files] == names
    assert variants(session) == [(user, "v") for user in range(4)]


def test_files_of_both_formats_with_and_without_the_optional_column_go_in_one_load(
    session: DuckDBSession, tmp_path: Path
) -> None:
    plain = write_csv(tmp_path / "v.csv", HEADER, "1,a")
    dated = str(tmp_path / "v.parquet")
    session.run(f"copy (select date '2025-01-01' as assigned_at, 'b' as variant_id, 2 as user_id) to '{dated}'")
    load(session, USER_VARIANT, [plain, dated])
    assert session.rows("from raw_data.user_variant order by user_id") == [
        (1, "a", None),
        (2, "b", dt.datetime(2025, 1, 1)),  # noqa: DTZ001
    ]


@pytest.mark.parametrize("replace", [False, True])
def test_a_table_without_the_optional_column_gets_it_when_a_file_has_it(
    session: DuckDBSession, tmp_path: Path, replace: bool
) -> None:
    session.run("create schema raw_data")
    session.run("create table raw_data.user_variant (user_id integer, variant_id varchar(32))")
    load(session, USER_VARIANT, [write_csv(tmp_path / "old.csv", HEADER, "1,a")])
    assert session.rows("from raw_data.user_variant") == [(1, "a")]
    path = write_csv(tmp_path / "new.csv", f"{HEADER},assigned_at", "2,b,2025-01-01")
    load(session, USER_VARIANT, [path], LoadOrder(Replaced.DAYS if replace else Replaced.NOTHING))
    loaded = (2, "b", dt.datetime(2025, 1, 1))  # noqa: DTZ001
    assert session.rows("from raw_data.user_variant order by user_id") == (
        [loaded] if replace else [(1, "a", None), loaded]
    )


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=16).filter(
    lambda text: len(text.encode()) <= 16 and text not in NULLS
)
INTEGERS = st.integers(-(2**31), 2**31 - 1)
MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))  # noqa: DTZ001
METADATA = st.tuples(INTEGERS, st.none() | TEXT, st.none() | TEXT, st.none() | MOMENTS)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(METADATA, max_size=20), ending=st.sampled_from(["csv", "csv.gz", "parquet"]))
def test_rows_written_to_a_file_come_back_equal(rows: list[Row], ending: str) -> None:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute("create table written (user_id int, age text, gender text, updated_at timestamp)")
        if rows:
            connection.executemany("insert into written values (?, ?, ?, ?)", rows)
        connection.execute(f"copy written to '{folder}/m.{ending}'")
        load(DuckDBSession(connection), USER_METADATA, [f"{folder}/m.*"])
        assert connection.execute("from raw_data.user_metadata").fetchall() == rows


# What is not loaded


def test_patterns_that_match_nothing_are_named(session: DuckDBSession, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "v.csv", HEADER, "1,a")
    with pytest.raises(LoadError) as caught:
        load(session, USER_VARIANT, [path, f"{tmp_path}/*.parquet", "no_such.csv"])
    assert caught.value.problems == (
        f"'{tmp_path}/*.parquet' matches no file",
        "'no_such.csv' matches no file",
    )
    with pytest.raises(LoadError, match="no file was named"):
        load(session, USER_VARIANT, [], LoadOrder(Replaced.DAYS))


def test_the_problems_of_all_files_are_told_and_no_file_is_loaded(session: DuckDBSession, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", f"{HEADER},assigned_at", "1,a,2025-01-01")
    write_csv(tmp_path / "b.csv", f"{HEADER},assigned_at", *(["1,b,then"] * 12))
    write_csv(tmp_path / "c.csv", f"{HEADER},assigned_at", "1,c,when")
    with pytest.raises(LoadError, match=r"b\.csv, line 2, column assigned_at(.|\n)*\.\.\. and 3 more\."):
        load(session, USER_VARIANT, [f"{tmp_path}/*.csv"])
    assert session.rows("select 1 from duckdb_schemas() where schema_name = 'raw_data'") == []


@dataclass(frozen=True)
class InterruptedSession(DuckDBSession):
    """A session during whose write something happens to a file: it vanishes, or has other content."""

    after: Callable[[str], bool]
    target: Path
    content: str | None

    def run(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        super().run(sql, parameters)
        self._strike(sql)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        found = super().rows(sql, parameters)
        self._strike(sql)
        return found

    def _strike(self, sql: str) -> None:
        if self.after(sql):
            self.target.unlink() if self.content is None else self.target.write_text(self.content)


@pytest.mark.parametrize(
    "after",
    [lambda sql: sql == "begin", lambda sql: "insert into" in sql and "second.csv" in sql],
    ids=["before it is read", "after it was read"],
)
@pytest.mark.parametrize(
    "content",
    [None, f"{HEADER}\n3,c\n4,d", f"{HEADER}\n3,c,d", "garbage"],
    ids=["gone", "grown", "bad", "other"],
)
def test_a_file_that_changes_after_its_check_undoes_the_load(
    session: DuckDBSession, tmp_path: Path, after: Callable[[str], bool], content: str | None
) -> None:
    load(session, USER_VARIANT, [write_csv(tmp_path / "old.csv", HEADER, "1,a")])
    first = write_csv(tmp_path / "first.csv", HEADER, "2,b")
    second = write_csv(tmp_path / "second.csv", HEADER, "3,c")
    interrupted = InterruptedSession(session.connection, after, Path(second), content)
    with pytest.raises(LoadError, match=r"second\.csv"):
        load(interrupted, USER_VARIANT, [first, second], LoadOrder(Replaced.DAYS))
    assert variants(session) == [(1, "a")]


def test_a_table_that_cannot_take_the_rows_is_named(session: DuckDBSession, tmp_path: Path) -> None:
    session.run("create schema raw_data")
    session.run("create view raw_data.user_variant as select 1 as user_id, 'a' as variant_id")
    with pytest.raises(LoadError, match=r"raw_data\.user_variant could not be written: "):
        load(session, USER_VARIANT, [write_csv(tmp_path / "v.csv", HEADER, "1,a")])


LOAD_AND_FAIL = """
import os, resource, sys
from pathlib import Path
from ab_pipeline.files.words import NULLS
from ab_pipeline.raw_data.contract import USER_VARIANT
from ab_pipeline.raw_data.load import LoadOrder, Replaced, load
from ab_pipeline.warehouse.duckdb import DuckDBSession, DuckDBWarehouse

warehouse, file, failure = sys.argv[1:]


class DyingSession(DuckDBSession):
    def run(self, sql, parameters=()):
        if sql == "commit":
            os._exit(9)
        super().run(sql, parameters)


with DuckDBWarehouse(Path(warehouse)).open(read_only=False) as session:
    if failure == "killed":
        session = DyingSession(session.connection)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    load(session, USER_VARIANT, [file], LoadOrder(Replaced.DAYS))
"""


@pytest.mark.parametrize(("failure", "told"), [("killed", ""), ("disk full", "could not be written")])
def test_a_process_that_fails_while_it_writes_leaves_the_table_as_it_was_and_loadable(
    tmp_path: Path, failure: str, told: str
) -> None:
    old = write_csv(tmp_path / "old.csv", HEADER, "1,a")
    many = str(tmp_path / "many.parquet")
    # Text that does not compress, so that the write outgrows the limit on the file's size.
    select = "select i as user_id, md5(i::text) as variant_id from range(300000) t(i)"
    duckdb.execute(f"copy ({select}) to '{many}'")
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    with warehouse.open(read_only=False) as session:
        load(session, USER_VARIANT, [old])
    command = [sys.executable, "-c", LOAD_AND_FAIL, str(warehouse.path), many, failure]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode != 0
    assert told in result.stderr
    with warehouse.open(read_only=False) as session:
        assert variants(session) == [(1, "a")]
        assert load(session, USER_VARIANT, [many], LoadOrder(Replaced.DAYS)).rows == 300_000
        assert session.rows("select count(*) from raw_data.user_variant") == [(300_000,)]
