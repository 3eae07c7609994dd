"""More files of the kinds that people have, one idea each."""

from __future__ import annotations

import bz2
import datetime as dt
import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import openpyxl
import pytest
from backports import zstd

from ab_pipeline_tests.files.command_line import loaded, typed

HEADER = "user_id,datestamp,item_id,clicked,purchased,paidamount"
AT = dt.datetime(2026, 1, 3, 10)  # noqa: DTZ001 a wall clock
EVENT = (7, AT, 5, 1, 1, 1299)
LINE = "7,2026-01-03 10:00:00,5,1,1,1299"


def put(folder: Path, content: str | bytes, name: str = "f.csv") -> str:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def load(folder: Path, content: str | bytes, options: str = "", name: str = "f.csv") -> str:
    answer = typed(f"load user_event {put(folder, content, name)} {options}", folder)
    assert answer.code == 0, answer.text
    return answer.text


def refused(folder: Path, content: str | bytes, options: str = "", name: str = "f.csv") -> str:
    answer = typed(f"load user_event {put(folder, content, name)} {options}", folder)
    assert answer.code == 1, answer.text
    return answer.text


CSV = f"{HEADER}\n{LINE}\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("events_0000_part_00", f"{HEADER}\n{LINE}\n".replace(",", "|").encode()),
        ("events_0001_part_00.zst", zstd.compress(CSV.encode())),
        ("events.csv.bz2", bz2.compress(CSV.encode())),
        ("members.csv.gz", gzip.compress(f"{HEADER}\n".encode()) + gzip.compress(f"{LINE}\n".encode())),
        ("events.tsv.gz", gzip.compress(CSV.replace(",", "\t").encode())),
        ("utf16.csv", CSV.encode("utf-16")),
        ("utf16be.txt", CSV.encode("utf-16-be")),
        ("excel.csv", ("\ufeff" + "sep=;\n" + CSV.replace(",", ";")).encode()),
        ("mixed.csv", f"{HEADER}\r\n{LINE}\n\n,,,,,\r\n".encode()),
        ("quoted.csv", '"' + HEADER.replace(",", '","') + '"\n"' + LINE.replace(",", '","') + '"\n'),
        ("float_ids.csv", f"{HEADER}\n7.0,2026-01-03 10:00:00,5.0,1.0,1.0,1299.0\n".encode()),
        ("r.csv", f'"",{HEADER}\n"1",7,"2026-01-03T10:00:00Z",5,TRUE,T,1299\n'),
        ("seconds.csv", f"{HEADER}\n7,1767434400,5,yes,Y,1 299\n".encode()),
    ],
    # compressed bytes differ from one worker of pytest to another
    ids=lambda value: str(value) if len(value) < 30 and isinstance(value, str) else "content",
)
def test_every_way_to_write_one_event_reads_as_that_event(tmp_path: Path, name: str, content: str | bytes) -> None:
    load(tmp_path, content, name=name)
    assert loaded(tmp_path) == [EVENT]


def test_unload_without_a_header_escapes_its_delimiter(tmp_path: Path) -> None:
    content = "7|a\\|b\\\\|2026-01-03 10:00:00\n8|c|\n"
    typed(
        f"load user_variant {put(tmp_path, content, '0000_part_00')} --header user_id,variant_id,assigned_at", tmp_path
    )
    assert loaded(tmp_path, table="user_variant") == [(7, "a|b\\", AT), (8, "c", None)]


def test_a_workbook_is_read_with_its_dates_and_the_other_sheets_are_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(HEADER.split(","))
    sheet.append([7, AT, 5, True, 1, 12.99])
    # a sheet of Excel has rows below that hold nothing
    sheet.append([None] * 6)
    book.create_sheet("notes").append(["x"])
    book.save(tmp_path / "f.xlsx")
    answer = typed("load user_event f.xlsx", tmp_path)
    assert "f.xlsx: sheet 'Sheet' is read, not notes." in answer.text
    assert loaded(tmp_path) == [(*EVENT[:-1], Decimal("12.99"))]


def test_a_bad_cell_of_a_workbook_is_named_by_its_row(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (HEADER.split(","), [7, AT, 5, 1, 1, 1], [], [7, "soon", 5, 1, 1, 1]):
        sheet.append(row)
    book.save(tmp_path / "f.xlsx")
    text = typed("load user_event f.xlsx", tmp_path).text
    assert "f.xlsx, line 4, column datestamp: found 'soon', expected a timestamp" in text


def test_ids_with_leading_zeros_are_text(tmp_path: Path) -> None:
    load(tmp_path, f"{HEADER}\n007,2026-01-03,5,1,1,1\n12,2026-01-03,5,1,1,1\n")
    assert loaded(tmp_path, "user_id") == [("007",), ("12",)]


def test_ids_that_excel_has_cut_are_refused(tmp_path: Path) -> None:
    text = refused(tmp_path, f"{HEADER}\n1.23457E+12,2026-01-03,5,1,1,1\n")
    assert "line 2, column user_id: found '1.23457E+12', expected an id: Excel has cut this one" in text


@pytest.mark.parametrize(
    ("amounts", "read"),
    [
        (["1,234.50", "7"], ["1234.50", "7.00"]),
        (["1.234,50", "7"], ["1234.50", "7.00"]),
        (["1,234,567", "1,234"], ["1234567.00", "1234.00"]),
        (["1'234.5", "2 500"], ["1234.50", "2500.00"]),
        (["1.2345", "1e-05"], ["1.23450", "0.00001"]),
        (["-12.30", "\N{MINUS SIGN}1"], ["-12.30", "-1.00"]),
        (["99999999999999999999.25"], ["99999999999999999999.25"]),
    ],
)
def test_numbers_are_read_as_they_are_meant(tmp_path: Path, amounts: list[str], read: list[str]) -> None:
    rows = [f'{n},2026-01-03,5,1,1,"{amount}"' for n, amount in enumerate(amounts)]
    load(tmp_path, "\n".join([HEADER, *rows]))
    assert [amount for _, amount in loaded(tmp_path, "user_id, paidamount")] == list(map(Decimal, read))


@pytest.mark.parametrize(("decimal", "amount"), [(".", 1234), (",", Decimal("1.234"))])
def test_a_number_that_may_be_two_is_a_question_with_its_answers(tmp_path: Path, decimal: str, amount: object) -> None:
    content = f'{HEADER}\n7,2026-01-03,5,1,1,"1,234"\n'
    assert "such as 1,234 may be 1234 or 1.234: say --decimal . or --decimal ," in refused(tmp_path, content)
    load(tmp_path, content, f"--decimal {decimal}")
    assert loaded(tmp_path, "paidamount") == [(amount,)]


def test_words_for_nothing_are_null_and_a_word_of_ones_own_too(tmp_path: Path) -> None:
    load(tmp_path, f"{HEADER}\n7,2026-01-03,5,NA,NULL,\\N\n8,2026-01-03,5,nan,,None\n")
    load(tmp_path, f"{HEADER}\n9,2026-01-03,5,-,1,1\n", "--null -", "g.csv")
    assert loaded(tmp_path, "clicked") == [(None,)] * 3


def test_a_late_value_of_another_kind_widens_a_new_table_and_no_other(tmp_path: Path) -> None:
    plain = [f"{n},2026-01-03,5,1,1,{n}" for n in range(30_000)]
    load(tmp_path, "\n".join([HEADER, *plain, "30000,2026-01-03,5,1,1,0.5"]))
    assert loaded(tmp_path, "typeof(any_value(paidamount)), count(*), sum(paidamount)")[0][:2] == (
        "DECIMAL(18,2)",
        30_001,
    )
    text = refused(tmp_path, "\n".join([HEADER, *plain, "x,2026-01-03,5,1,1,0"]), name="g.csv")
    assert "g.csv, line 30002, column user_id: found 'x'" in text
    assert "--widen makes it varchar(32)" in text
    assert "was integer, and is varchar(32)" in typed("load user_event g.csv --widen", tmp_path).text


def test_a_late_byte_that_is_not_utf_8_is_found_and_said(tmp_path: Path) -> None:
    lines = ["user_id,variant_id", *(f"{n},a" for n in range(30_000)), "30000,caf\xe9"]
    put(tmp_path, "\n".join(lines).encode("latin-1"))
    text = typed("load user_variant f.csv", tmp_path).text
    assert "f.csv is not UTF-8: it is read as windows-1252 (latin-1)" in text
    assert ("caf\xe9",) in loaded(tmp_path, "variant_id", "user_variant")


def test_a_damaged_line_among_utf_8_is_no_other_encoding(tmp_path: Path) -> None:
    content = "user_id,variant_id\n1,caf\xe9\n".encode() + b"2,caf\xe9\n"
    answer = typed(f"load user_variant {put(tmp_path, content)}", tmp_path)
    assert "f.csv, line 3: it is not UTF-8, as other lines are" in answer.text
    assert answer.code == 1
    typed("load user_variant f.csv --encoding latin-1", tmp_path)
    assert len(loaded(tmp_path, table="user_variant")) == 2


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("{'a': 1}", "found type STRUCT(a INTEGER), expected integer"),
        ("[1]", "found type INTEGER[], expected integer"),
    ],
)
def test_what_is_no_number_in_parquet_is_named_with_its_type(tmp_path: Path, value: str, problem: str) -> None:
    parquet(
        tmp_path,
        "7 as user_id, timestamp '2026-01-03' as datestamp, 5 as item_id, 1 as clicked, 1 as paidamount,"
        f" {value} as purchased",
    )
    assert f"f.parquet, column purchased: {problem}" in typed("load user_event f.parquet", tmp_path).text


def test_parquet_of_any_number_type_is_read(tmp_path: Path) -> None:
    parquet(
        tmp_path,
        "7::uhugeint as user_id, timestamptz '2026-01-03 10:00:00+00' as datestamp, 5::utinyint as item_id,"
        " true as clicked, 1.0::double as purchased, 1299.50::decimal(30,4) as paidamount, {'a': [1]} as properties",
    )
    assert "f.parquet: properties left out." in typed("load user_event f.parquet", tmp_path).text
    assert loaded(tmp_path) == [(*EVENT[:-1], Decimal("1299.50"))]


def parquet(folder: Path, select: str) -> None:
    duckdb.execute(f"copy (select {select}) to '{folder}/f.parquet' (format parquet)")


# analyze


def analyze(folder: Path, content: str, options: str) -> dict:
    answer = typed(f"analyze {put(folder, content)} {options} --json", folder)
    assert answer.code == 0, answer.text
    return json.loads(answer.text)


def first(document: dict) -> dict:
    return document["results"][0]


def users(*values: object) -> Iterator[str]:
    for n, value in enumerate(values):
        yield f"{n},{'ab'[n % 2]},{value}"


def test_rows_of_sessions_are_summed_up_where_that_is_asked(tmp_path: Path) -> None:
    content = "user,variant,revenue,plan\n" + "".join(
        f"{n},{'ab'[n % 2]},{n + session},x\n" for n in range(8) for session in range(3)
    )
    options = "--variant variant --metric revenue --user user --segment plan"
    answer = typed(f"analyze {put(tmp_path, content)} {options}", tmp_path)
    assert "user 0 is in 3 rows, one of 8 users with several. Each user has to have one row: --sum-rows" in answer.text
    document = analyze(tmp_path, content, f"{options} --sum-rows")
    assert "24 rows are summed up to 8 users." in document["reasons"]
    assert (first(document)["n_control"], first(document)["mean_control"]) == (4, (0 + 2 + 4 + 6) * 3 / 4 + 3)


def test_a_column_a_variant_has_an_empty_cell_where_it_is_shorter(tmp_path: Path) -> None:
    document = analyze(tmp_path, "control,treatment,note\n1,2,x\n2,4,y\n3,,z\n", "--wide")
    found = first(document)
    assert (found["n_control"], found["n_treatment"]) == (3, 2)
    assert (found["mean_control"], found["mean_treatment"]) == (2, 3)
    assert "Left out: note." in document["reasons"]


def test_a_table_of_counts_is_the_same_as_its_users(tmp_path: Path) -> None:
    counts = analyze(
        tmp_path,
        "variant,users,converted\ncontrol,200,20\nnew,210,42\n",
        "--variant variant --metric converted --counts",
    )
    outcomes = "variant,converted,n\ncontrol,0,180\ncontrol,1,20\nnew,0,168\nnew,1,42\n"
    rows = "".join(
        f"{name},{int(n < yes)}\n" for name, of, yes in (("control", 200, 20), ("new", 210, 42)) for n in range(of)
    )
    by_outcome = analyze(tmp_path, outcomes, "--variant variant --metric converted --counts n")
    one_a_row = analyze(tmp_path, "variant,converted\n" + rows, "--variant variant --metric converted")
    for document in (counts, by_outcome):
        assert first(document) == pytest.approx(first(one_a_row))


def test_an_amount_is_no_number_of_users(tmp_path: Path) -> None:
    put(tmp_path, "variant,users,revenue\na,100,5120\nb,100,5300\n")
    text = typed("analyze f.csv --variant variant --metric revenue --counts users", tmp_path).text
    assert "--metric revenue: 5,120 of 100 users of a is no number of users." in text


def test_a_column_of_many_values_is_a_question(tmp_path: Path) -> None:
    put(tmp_path, "user,variant,revenue\n" + "\n".join(users(*range(50))))
    text = typed("analyze f.csv --variant user --metric revenue", tmp_path).text
    assert (
        "--variant user: it has 50 values, such as 0, 1, 10, and 20 are the most. Is it the column of variants?" in text
    )


def test_an_uneven_split_names_the_option_that_declares_it(tmp_path: Path) -> None:
    content = "variant,revenue\n" + "a,1\na,2\n" * 450 + "b,1\nb,2\n" * 50
    document = analyze(tmp_path, content, "--variant variant --metric revenue")
    assert any("--weight a=9 --weight b=1" in reason for reason in document["reasons"])
    options = "--variant variant --metric revenue --weight a=9 --weight b=1"
    assert analyze(tmp_path, content, options)["verdict"] != "do not decide"


@pytest.mark.parametrize(
    ("names", "control"),
    [
        (("new", "Original"), "Original"),
        (("B", "A"), "A"),
        (("on", "off"), "off"),
        (("1", "0"), "0"),
        (("checkout_v2", "checkout_control"), "checkout_control"),
        (("x", "y"), "y"),
    ],
)
def test_the_control_is_guessed_by_its_name_else_it_is_the_largest(
    tmp_path: Path, names: tuple[str, str], control: str
) -> None:
    rows = "".join(f"{names[n % 2]},{n}\n" for n in range(9)) + f"{names[1]},1\n" * 2
    document = analyze(tmp_path, "variant,revenue\n" + rows, "--variant variant --metric revenue")
    assert first(document)["control_id"] == control
    assert any(f"Compared with {control}," in reason for reason in document["reasons"])


def test_words_for_nothing_are_no_variant(tmp_path: Path) -> None:
    rows = "variant,revenue\n" + "a,1\nb,2\nNULL,5\nn/a,6\n,7\n" * 3
    document = analyze(tmp_path, rows, "--variant variant --metric revenue")
    assert "9 of 15 rows have no variant and are left out." in document["reasons"]


def test_a_column_of_yes_and_no_or_of_one_and_zero_is_a_proportion(tmp_path: Path) -> None:
    rows = "variant,bought,clicked,spent\n" + "a,yes,1,3\nb,No,0,4\na,no,0,5\nb,Yes,1,6\n"
    reasons = analyze(tmp_path, rows, "--variant variant --metric bought --metric clicked --metric spent")["reasons"]
    said = "Read as it looks: bought as a proportion, clicked as a proportion, spent as a mean; --metric COL:kind says"
    assert any(reason.startswith(said) for reason in reasons)


def test_the_first_ten_of_all_mistakes_are_told_by_line(tmp_path: Path) -> None:
    rows = [f"a,{n}" for n in range(20)]
    rows[3], rows[5], rows[8:18] = "a", "a,abc", ["a,x"] * 10
    put(tmp_path, "variant,revenue\n" + "\n".join(rows))
    lines = typed("analyze f.csv --variant variant --metric revenue", tmp_path).text.splitlines()
    assert lines[0] == "Error: f.csv, line 5: 1 value, the header has 2: 'a'"
    assert lines[1] == "f.csv, line 7, column revenue: found 'abc', expected a number"
    assert lines[10:] == ["... and 2 more."]
