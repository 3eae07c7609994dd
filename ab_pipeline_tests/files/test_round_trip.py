"""Whatever Python, pandas and DuckDB write, in every dialect that is read, comes back as it was written."""

from __future__ import annotations

import bz2
import csv
import datetime as dt
import gzip
import io
import tempfile
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ab_pipeline.files.words import NULLS
from ab_pipeline.raw_data.contract import USER_EVENT, USER_METADATA
from ab_pipeline.raw_data.load import LoadOrder, load
from ab_pipeline.warehouse.duckdb import DuckDBSession

few = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.sampled_from("\",;|\t\n'\\ "), max_size=12
)
NAMES = TEXT.filter(lambda text: text not in ("", *NULLS) and "\r" not in text)
# two such letters in a row may be one of UTF-8's, which is refused
LATIN = st.from_regex('\\A([a-z,;"\n][\xe1\xe9\xfc\xdf\xf1\u20ac]?){1,6}\\Z')
INTEGERS = st.integers(-(2**31), 2**31 - 1)
MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))  # noqa: DTZ001 wall clocks
METADATA = st.tuples(INTEGERS, st.none() | NAMES, st.none() | NAMES, st.none() | MOMENTS)
COLUMNS = ["user_id", "age", "gender", "updated_at"]


def read_back(content: bytes, name: str = "f.csv", *, table=USER_METADATA) -> list[tuple]:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder, name)
        path.write_bytes(content)
        load(DuckDBSession(connection), table, [str(path)], LoadOrder())
        return connection.execute(f"from {table.relation}").fetchall()


def written_by_python(rows: list[tuple], **dialect: object) -> str:
    text = io.StringIO()
    csv.writer(text, **dialect).writerows([COLUMNS, *rows])  # type: ignore[arg-type]
    return text.getvalue()


@few
@given(st.lists(METADATA, max_size=8), st.sampled_from(",;\t|"), st.sampled_from(["\r\n", "\n"]), st.booleans())
def test_pythons_csv_with_any_delimiter_line_end_and_quoting(
    rows: list[tuple], delimiter: str, line_end: str, quotes_all: bool
) -> None:
    quoting = csv.QUOTE_ALL if quotes_all else csv.QUOTE_MINIMAL
    text = written_by_python(rows, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    # in quotes, Python's nothing is an empty text
    nothing = "" if quotes_all else None
    expected = [(user, *(nothing if name is None else name for name in names), at) for user, *names, at in rows]
    assert read_back(text.encode()) == expected


@few
@given(
    st.lists(METADATA, min_size=1, max_size=8),
    st.sampled_from(["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
    st.sampled_from([bytes, gzip.compress, bz2.compress, zstd.compress]),
)
def test_any_encoding_and_compression(rows: list[tuple], encoding: str, compressed) -> None:
    text = written_by_python(rows)
    assert read_back(compressed(text.encode(encoding))) == rows


@few
@given(st.lists(st.tuples(INTEGERS, LATIN, LATIN, MOMENTS), min_size=1, max_size=8))
def test_windows_latin(rows: list[tuple]) -> None:
    rows = [*rows, (1, "M\xe1laga", "\u20ac", MOMENT)]
    rows = [row for row in rows if not {row[1], row[2]} & set(NULLS)]
    assert read_back(written_by_python(rows, lineterminator="\n").encode("cp1252")) == rows


MOMENT = dt.datetime(2025, 1, 31, 23, 59, 59, 5)  # noqa: DTZ001


@few
@given(st.lists(METADATA, min_size=1, max_size=8), st.booleans())
def test_pandas(rows: list[tuple], with_index: bool) -> None:
    frame = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    frame["updated_at"] = pd.to_datetime(frame["updated_at"])
    assert read_back(frame.to_csv(index=with_index).encode()) == rows


@few
@given(st.lists(METADATA, min_size=1, max_size=8), st.sampled_from(["csv", "csv.gz", "csv.zst", "tsv", "parquet"]))
def test_duckdb(rows: list[tuple], ending: str) -> None:
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute("create table written (user_id int, age text, gender text, updated_at timestamp)")
        connection.executemany("insert into written values (?, ?, ?, ?)", rows)
        options = " (format csv, delimiter '\t')" if ending == "tsv" else ""
        connection.execute(f"copy written to '{folder}/f.{ending}'{options}")
        assert read_back(Path(folder, f"f.{ending}").read_bytes(), f"f.{ending}") == rows


IDS = st.one_of(st.integers(0, 2**63 - 1), st.uuids().map(str), st.from_regex(r"\A0[0-9]{3}\Z"), st.integers(0, 99))
AMOUNTS = st.decimals(-(10**12), 10**12, places=2) | st.integers(-(2**31), 2**31 - 1)


@few
@given(
    st.lists(st.tuples(IDS, st.booleans(), AMOUNTS), min_size=1, max_size=8),
    st.sampled_from([("TRUE", "FALSE"), ("true", "false"), ("yes", "no"), ("t", "f"), ("1", "0")]),
    st.booleans(),
)
def test_ids_booleans_and_amounts_of_every_kind(
    rows: list[tuple[object, bool, Decimal | int]], words: tuple[str, str], with_commas: bool
) -> None:
    lines = [
        f"{user};2025-01-31 10:00:00;5;{words[0] if is_clicked else words[1]};0;{amount}"
        for user, is_clicked, amount in rows
    ]
    text = "\n".join(["user_id;datestamp;item_id;clicked;purchased;paidamount", *lines])
    found = read_back((text.replace(".", ",") if with_commas else text).encode(), table=USER_EVENT)
    ids = [str(user) for user, _, _ in rows]
    assert [str(row[0]) for row in found] == ids
    assert [(row[3], Decimal(row[5])) for row in found] == [(int(yes), Decimal(amount)) for _, yes, amount in rows]
