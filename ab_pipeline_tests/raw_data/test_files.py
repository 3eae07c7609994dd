"""Which files a raw table takes, and what a file that it does not take is told."""

from __future__ import annotations

import datetime as dt
import gzip
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest

from ab_pipeline.files.errors import FileError
from ab_pipeline.files.reading import Reading
from ab_pipeline.raw_data.column_types import ColumnType
from ab_pipeline.raw_data.contract import USER_EVENT, USER_METADATA, USER_VARIANT, RawTable
from ab_pipeline.raw_data.file_rows import FileRows, agreed_types, look, study
from ab_pipeline.warehouse.base import Row
from ab_pipeline.warehouse.duckdb import DuckDBSession

EVENT_HEADER = "user_id,datestamp,item_id,clicked,purchased,paidamount"
EVENT = "1,2025-01-01 10:00:00,7,1,0,0"


@pytest.fixture
def session() -> DuckDBSession:
    return DuckDBSession(duckdb.connect())


def write_csv(path: Path, *lines: str) -> Path:
    path.write_bytes("\n".join(lines).encode(errors="surrogateescape"))
    return path


def write_parquet(path: Path, select: str) -> Path:
    duckdb.execute(f"copy ({select}) to '{path}' (format parquet)")
    return path


def event_with(**columns: str) -> str:
    """SQL for one event, with these columns replaced by SQL expressions."""
    values = {
        "user_id": "1",
        "datestamp": "timestamp '2025-01-01'",
        **dict.fromkeys(("item_id", "clicked", "purchased", "paidamount"), "0"),
    }
    return "select " + ", ".join(f"{value} as {name}" for name, value in (values | columns).items())


def usual(table: RawTable) -> dict[str, ColumnType]:
    return {column.name: column.usual_type for column in table.columns}


def studied(session: DuckDBSession, table: RawTable, path: Path, types: dict[str, ColumnType]) -> FileRows:
    with TemporaryDirectory() as folder:
        return study(session, look(session, table, path, Reading(), Path(folder)), types, Path(folder), name="studied")


def rows_of(session: DuckDBSession, table: RawTable, path: Path) -> list[Row]:
    """What is read at a first look, which is also what all of the rows say."""
    with TemporaryDirectory() as folder:
        rows = look(session, table, path, Reading(), Path(folder))
        types = agreed_types({}, [rows])
        found = session.rows(rows.select(types))
        assert session.rows(study(session, rows, types, Path(folder), name="studied").select(types)) == found
    return found


def problems_of(session: DuckDBSession, table: RawTable, path: Path) -> list[str]:
    """What is wrong with a file for a table of the usual types, without the file's name, with which each begins."""
    with pytest.raises(FileError) as caught:
        studied(session, table, path, usual(table))
    assert all(problem.startswith(str(path)) for problem in caught.value.problems)
    return [problem.removeprefix(str(path)).removeprefix(", ") for problem in caught.value.problems]


# What is read


def test_columns_are_matched_by_name_in_any_order_and_case(session: DuckDBSession, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "m.csv", "Gender,updated_at, AGE ,user_id", "f,2025-01-02,18-24,1")
    assert rows_of(session, USER_METADATA, path) == [(1, "18-24", "f", dt.datetime(2025, 1, 2))]  # noqa: DTZ001


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_csv_may_end_lines_as_any_system_does_and_start_with_a_byte_order_mark(
    session: DuckDBSession, tmp_path: Path, line_end: str, mark: bytes
) -> None:
    path = tmp_path / "v.csv"
    path.write_bytes(mark + line_end.join(["user_id,variant_id", "1,a", "2,b"]).encode())
    assert rows_of(session, USER_VARIANT, path) == [(1, "a"), (2, "b")]


def test_an_unquoted_empty_field_is_null_and_a_quoted_one_is_empty_text(session: DuckDBSession, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "m.csv", "user_id,age,gender,updated_at", '1,,"",""')
    assert rows_of(session, USER_METADATA, path) == [(1, None, "", None)]


def test_an_optional_column_may_be_absent(session: DuckDBSession, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "v.csv", "user_id,variant_id", "1,a")
    assert rows_of(session, USER_VARIANT, path) == [(1, "a")]


def test_a_file_without_rows_has_no_rows(session: DuckDBSession, tmp_path: Path) -> None:
    header_only = write_csv(tmp_path / "e.csv", EVENT_HEADER)
    parquet = write_parquet(tmp_path / "e.parquet", event_with() + " limit 0")
    assert rows_of(session, USER_EVENT, header_only) == []
    assert rows_of(session, USER_EVENT, parquet) == []


@pytest.mark.parametrize("name", ["part[1].csv", "what?.csv", "it's.csv", "day=2025-01-01/e.csv", "E.CSV"])
def test_a_file_may_have_any_name(session: DuckDBSession, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    write_csv(tmp_path / "what1.csv", EVENT_HEADER, EVENT, EVENT)
    assert len(rows_of(session, USER_EVENT, write_csv(tmp_path / name, EVENT_HEADER, EVENT))) == 1


def test_a_parquet_file_in_a_partition_folder_has_only_its_own_columns(session: DuckDBSession, tmp_path: Path) -> None:
    folder = tmp_path / "user_id=9" / "day=2025-01-01"
    folder.mkdir(parents=True)
    ((user_id, *_),) = rows_of(session, USER_EVENT, write_parquet(folder / "e.parquet", event_with()))
    assert user_id == 1


def test_numbers_and_timestamps_may_stand_between_spaces(session: DuckDBSession, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "m.csv", "user_id, age, gender, updated_at", " 1 , 18-24 , f, 2025-01-02 ")
    assert rows_of(session, USER_METADATA, path) == [(1, " 18-24 ", " f", dt.datetime(2025, 1, 2))]  # noqa: DTZ001


def test_a_timestamp_with_an_offset_becomes_utc_whatever_the_session_says(
    session: DuckDBSession, tmp_path: Path
) -> None:
    session.run("set timezone = 'America/New_York'")
    instants = ["2025-01-01T02:00:00+02:00", "2025-01-01 00:00:00Z", "2025-01-01", "2024-12-31 19:00:00-05"]
    path = write_csv(tmp_path / "v.csv", "user_id,variant_id,assigned_at", *(f"1,a,{instant}" for instant in instants))
    parquet = write_parquet(
        tmp_path / "v.parquet",
        "select 1 as user_id, 'a' as variant_id, timestamptz '2025-01-01 02:00:00+02' as assigned_at",
    )
    found = rows_of(session, USER_VARIANT, path) + rows_of(session, USER_VARIANT, parquet)
    assert [row[2] for row in found] == [dt.datetime(2025, 1, 1)] * 5  # noqa: DTZ001


@pytest.mark.parametrize(
    "columns",
    [
        {"user_id": "1::bigint"},
        {"paidamount": "1.0::double"},
        {"clicked": "true"},
        {"datestamp": "date '2025-01-01'"},
        {"datestamp": "'2025-01-01'::timestamp_ns"},
    ],
)
def test_parquet_types_are_cast_where_nothing_is_lost(
    session: DuckDBSession, tmp_path: Path, columns: dict[str, str]
) -> None:
    path = write_parquet(tmp_path / "e.parquet", event_with(**columns))
    ((user_id, datestamp, *_),) = rows_of(session, USER_EVENT, path)
    assert (user_id, datestamp) == (1, dt.datetime(2025, 1, 1))  # noqa: DTZ001


# Which columns are wrong


def test_missing_columns_are_all_named_with_the_option_that_says_what_they_are_called(
    session: DuckDBSession, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "m.csv", "user_id,age,sex,age", "1,2,f,3")
    called = "missing; the file has user_id, age, sex, age. --columns {0}=NAME says what it is called there"
    assert problems_of(session, USER_METADATA, path) == [
        "column age: named twice",
        f"column gender: {called.format('gender')}",
        f"column updated_at: {called.format('updated_at')}",
    ]


@pytest.mark.parametrize("start", ["", EVENT])
def test_a_csv_without_a_header_is_told_what_it_should_start_with(
    session: DuckDBSession, tmp_path: Path, start: str
) -> None:
    (problem,) = problems_of(session, USER_EVENT, write_csv(tmp_path / "e.csv", start, EVENT))
    assert f"must start with the column names {EVENT_HEADER}" in problem
    assert "--header NAME,..." in problem


def test_bytes_that_are_no_text_are_refused(session: DuckDBSession, tmp_path: Path) -> None:
    (problem,) = problems_of(session, USER_EVENT, write_csv(tmp_path / "e.csv", "\x00\x01\udcff\x80", EVENT))
    assert "not UTF-8" in problem


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"clicked": "[1]"}, "column clicked: found type INTEGER[], expected integer"),
        ({"datestamp": "time '10:00'"}, "column datestamp: found type TIME, expected timestamp"),
    ],
)
def test_a_parquet_column_of_a_wrong_type_is_named_with_its_type(
    session: DuckDBSession, tmp_path: Path, columns: dict[str, str], problem: str
) -> None:
    path = write_parquet(tmp_path / "e.parquet", event_with(**columns))
    assert problems_of(session, USER_EVENT, path) == [problem]


# Which values are wrong

WHOLE_NUMBER = "expected a whole number from -2147483648 to 2147483647"
TIMESTAMP = "expected a timestamp such as 2025-01-31 23:59:59, or seconds or milliseconds since 1970"


def wider(column: str, type_: str) -> str:
    return f"{WHOLE_NUMBER}: raw_data.user_event.{column} is integer, and --widen makes it {type_}"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("abc,2025-01-01,1,0,0,0", f"column user_id: found 'abc', {wider('user_id', 'varchar(32)')}"),
        ("1,2025-01-01,1,0,0,2147483648", f"column paidamount: found '2147483648', {wider('paidamount', 'bigint')}"),
        ("1,2025-01-01,1,0,0,-2147483649", f"column paidamount: found '-2147483649', {wider('paidamount', 'bigint')}"),
        ("1,2025-01-01,1,0,0,1.5", f"column paidamount: found '1.5', {wider('paidamount', 'decimal(18,2)')}"),
        ("1,2025-01-01,1,0x1F,0,0", f"column clicked: found '0x1F', {WHOLE_NUMBER}"),
        ("1,2025-02-30,1,0,0,0", f"column datestamp: found '2025-02-30', {TIMESTAMP}"),
        ("1,31/01/2025,1,0,0,0", f"column datestamp: found '31/01/2025', {TIMESTAMP}"),
        ("1,infinity,1,0,0,0", f"column datestamp: found 'infinity', {TIMESTAMP}"),
        (",2025-01-01,1,0,0,0", "column user_id: found nothing, expected a value: it is a key"),
        ('1,"",1,0,0,0', "column datestamp: found nothing, expected a value: it is a key"),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_column(
    session: DuckDBSession, tmp_path: Path, line: str, problem: str
) -> None:
    path = write_csv(tmp_path / "e.csv", EVENT_HEADER, EVENT, line, EVENT)
    assert problems_of(session, USER_EVENT, path) == [f"line 3, {problem}"]


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"user_id": "null::int"}, "column user_id: found nothing, expected a value: it is a key"),
        ({"item_id": "2147483648"}, f"column item_id: found '2147483648', {wider('item_id', 'bigint')}"),
        ({"clicked": "0.5::double"}, f"column clicked: found '0.5', {WHOLE_NUMBER}"),
        ({"datestamp": "'-infinity'::timestamp"}, f"column datestamp: found '-infinity', {TIMESTAMP}"),
    ],
)
def test_a_wrong_value_in_parquet_is_named_with_its_row(
    session: DuckDBSession, tmp_path: Path, columns: dict[str, str], problem: str
) -> None:
    select = f"{event_with()} union all {event_with(**columns)}"
    assert problems_of(session, USER_EVENT, write_parquet(tmp_path / "e.parquet", select)) == [f"row 2, {problem}"]


def test_text_is_limited_in_bytes_and_a_key_may_not_be_empty_text(session: DuckDBSession, tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "v.csv", "user_id,variant_id", f"1,{'ü' * 16}", f"2,{'ü' * 16}x", '3,""', f"4,{'x' * 32}"
    )
    assert problems_of(session, USER_VARIANT, path) == [
        f"line 3, column variant_id: found '{'ü' * 16}x', expected at most 32 bytes:"
        " raw_data.user_variant.variant_id is varchar(32), and --widen makes it varchar(64)",
        "line 4, column variant_id: found nothing, expected a value: it is a key",
    ]


def test_a_line_is_where_the_row_starts_also_after_quoted_line_breaks(session: DuckDBSession, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "v.csv", "variant_id,user_id", '"a\nb\n",1', '"c\nd",x', "e,2", "f,y")
    assert [problem.split(",")[0] for problem in problems_of(session, USER_VARIANT, path)] == [
        "line 5",
        "line 8",
    ]


def test_the_first_problems_are_shown_by_row_then_column_and_the_others_counted(
    session: DuckDBSession, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "e.csv", EVENT_HEADER, *(["a,2025-01-01,b,,,"] * 7))
    with pytest.raises(FileError) as caught:
        studied(session, USER_EVENT, path, usual(USER_EVENT))
    shown = [tuple(problem.split(":")[0].split(", ")[1:]) for problem in caught.value.problems]
    assert shown == [(f"line {line}", f"column {name}") for line in range(2, 7) for name in ("user_id", "item_id")]
    assert str(caught.value).endswith("\n... and 4 more.")


def test_a_late_problem_of_a_large_file_has_its_own_line_on_every_thread_and_in_any_order(
    session: DuckDBSession, tmp_path: Path
) -> None:
    session.run("set preserve_insertion_order = false")
    path = write_csv(tmp_path / "v.csv", "user_id,variant_id", *(f"{i},{'v' * 30}" for i in range(400_000)), "x,a")
    assert problems_of(session, USER_VARIANT, path) == [
        f"line 400002, column user_id: found 'x', {WHOLE_NUMBER}:"
        " raw_data.user_variant.user_id is integer, and --widen makes it varchar(32)"
    ]


# What cannot be read at all


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("1", "1 value, the header has 2: '1'"),
        ("1,a,b", "3 values, the header has 2: '1,a,b'"),
        ('1,"a', "the quotes do not fit: a quote that is opened here is never closed"),
        ('1,"a"b', "the quotes do not fit: ',' expected after '\"'"),
    ],
)
def test_a_malformed_csv_line_is_named(session: DuckDBSession, tmp_path: Path, line: str, why: str) -> None:
    path = write_csv(tmp_path / "v.csv", "user_id,variant_id", "1,a", line, "2,b")
    assert problems_of(session, USER_VARIANT, path) == [f"line 3: {why}"]


def test_lines_that_are_no_rows_and_values_that_do_not_fit_are_told_together(
    session: DuckDBSession, tmp_path: Path
) -> None:
    path = write_csv(
        tmp_path / "m.csv", "user_id,age,gender,updated_at", "1,a,f,then", "2,b", "3,c,f,2025-01-01", "4,d,f,x"
    )
    assert [problem.split(",")[0].split(":")[0] for problem in problems_of(session, USER_METADATA, path)] == [
        "line 2",
        "line 3",
        "line 5",
    ]


GZIP = gzip.compress(f"{EVENT_HEADER}\n{EVENT}\n".encode() * 50, mtime=0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("garbage.parquet", b"garbage" * 10),
        ("empty.parquet", b""),
        ("truncated.parquet", b"PAR1" + bytes(100)),
        ("not_gzip.csv.gz", EVENT_HEADER.encode()),
        ("truncated.csv.gz", GZIP[:-20]),
        ("cut_off.csv.gz", GZIP[:5]),
        ("overwritten.csv.gz", GZIP[:10] + b"\xff" * 50),
    ],
)
def test_a_damaged_file_is_named(session: DuckDBSession, tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert problems_of(session, USER_EVENT, path)[0].startswith(" cannot be read: ")


def test_a_folder_a_missing_file_and_one_that_is_no_table_are_named(session: DuckDBSession, tmp_path: Path) -> None:
    folder = tmp_path / "events.csv"
    folder.mkdir()
    assert "is not a file" in problems_of(session, USER_EVENT, folder)[0]
    assert "there is no such file" in problems_of(session, USER_EVENT, tmp_path / "gone.csv")[0]
    other = write_csv(tmp_path / "events.json", "{}")
    assert "must start with the column names" in problems_of(session, USER_EVENT, other)[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("name", ["e.csv", "e.parquet"])
def test_a_file_that_may_not_be_read_is_named(session: DuckDBSession, tmp_path: Path, name: str) -> None:
    path = write_csv(tmp_path / name, EVENT_HEADER, EVENT)
    path.chmod(0)
    assert "ermission denied" in problems_of(session, USER_EVENT, path)[0]
