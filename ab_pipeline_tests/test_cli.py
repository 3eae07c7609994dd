"""`ab-pipeline` as a person meets it: what it prints, what it refuses, and no traceback ever."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import duckdb
import pytest
from click.testing import CliRunner, Result

from ab_pipeline.cli import main
from ab_pipeline.settings import ENV_PREFIX, Settings, get_settings
from ab_pipeline.warehouse import connect

SMALL = ("--users", "50", "--days", "3", "--events-per-day", "40", "--end-date", "2025-02-20")
each_command = pytest.mark.parametrize(
    "command", [("sample", *SMALL), ("load", "user_variant", "x.csv"), ("summary",)], ids=["sample", "load", "summary"]
)
DAILY = "analytics.analytics_variant_user_daily"


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The warehouse's path, where nothing is yet, whatever the developer's own settings are."""
    monkeypatch.setitem(Settings.model_config, "env_file", None)
    # the command exports its settings to the environment
    monkeypatch.setattr(connect, "_PATIENCE", 0.3)
    with mock.patch.dict(os.environ):
        for name in Settings.model_fields:
            os.environ.pop(ENV_PREFIX + name.upper(), None)
        os.environ[f"{ENV_PREFIX}DUCKDB_PATH"] = str(tmp_path / "warehouse.duckdb")
        get_settings.cache_clear()
        yield tmp_path / "warehouse.duckdb"
    get_settings.cache_clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def printed(*arguments: str) -> str:
    """What a command that succeeds prints."""
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def refusal(*arguments: str) -> str:
    """The sentence with which a command ends, and nothing else: no traceback, no second error."""
    result = run(*arguments)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert result.output.startswith("Error: "), result.output
    return result.output.removeprefix("Error: ")


def execute(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(path) as connection:
        return connection.execute(sql).fetchall()


def write_csv(folder: Path, name: str, *lines: str) -> str:
    (folder / name).write_text("\n".join(["user_id,variant_id", *lines]) + "\n")
    return str(folder / name)


# sample


def test_sample_says_what_it_wrote_and_where(path: Path) -> None:
    *_, last_line = printed("sample", *SMALL).splitlines()
    [(rows,)] = execute(path, "select count(*) from raw_data.user_event")
    assert last_line.startswith(f"{path}: user_event {rows:,}, user_variant ")
    assert last_line.endswith("rows, 2025-02-18 to 2025-02-20")


def test_sample_overwrites_rows_only_when_told_to(path: Path) -> None:
    printed("sample", *SMALL)
    execute(path, "insert into raw_data.user_variant values (-1, 'mine', null)")
    mine = "select count(*) from raw_data.user_variant where variant_id = 'mine'"
    sentence = refusal("sample", *SMALL)
    assert re.match(r"raw_data\.user_\w+ already has [\d,]+ rows\. --replace gives them up for the sample;", sentence)
    assert execute(path, mine) == [(1,)]
    printed("sample", *SMALL, "--replace")
    assert execute(path, mine) == [(0,)]


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--users", "0", "users must be from 1 to 2,147,483,647, not 0"),
        ("--days", "many", "'many' is not a valid integer"),
        ("--end-date", "20.2.2025", "'20.2.2025' does not match the format '%Y-%m-%d'"),
        ("--end-date", "2020-01-01", "no demo experiment runs between 2019-11-03 and 2020-01-01"),
    ],
)
def test_a_sample_that_cannot_be_is_refused_before_anything_is_written(
    path: Path, option: str, value: str, sentence: str
) -> None:
    result = run("sample", option, value)
    assert result.exit_code == 2
    assert sentence in result.output
    assert not path.exists()


def test_a_full_disk_is_one_sentence_and_leaves_no_rows(path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", "from ab_pipeline.cli import main; main()", "sample"],
        env=os.environ | {"DAGSTER_HOME": str(path.parent / "no_dagster")},
        # no file of the process may grow beyond this: as good as a full disk
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert process.stderr == f'Error: {path}: IO Error: Could not write file "{path}": File too large\n'
    assert execute(path, "select table_name from information_schema.tables") == []


# load


def test_load_says_how_many_rows_of_how_many_files_went_where(path: Path, tmp_path: Path) -> None:
    write_csv(tmp_path, "one.csv", "1,a", "2,b")
    write_csv(tmp_path, "two.csv", "3,a")
    assert printed("load", "user_variant", str(tmp_path / "*.csv")) == "raw_data.user_variant: 3 rows from 2 files\n"
    assert "was loaded into raw_data.user_variant at" in refusal("load", "user_variant", str(tmp_path / "two.csv"))
    printed("load", "user_variant", str(tmp_path / "two.csv"), "--again")
    assert execute(path, "select count(*) from raw_data.user_variant") == [(4,)]
    printed("load", "user_variant", str(tmp_path / "two.csv"), "--replace")
    assert execute(path, "select user_id from raw_data.user_variant") == [(3,)]


def test_load_names_the_file_that_is_missing_or_the_line_and_column_that_is_wrong(path: Path, tmp_path: Path) -> None:
    printed("load", "user_variant", write_csv(tmp_path, "good.csv", "1,a"))
    file = write_csv(tmp_path, "bad.csv", "1,a", "one,b")
    sentence = refusal("load", "user_variant", file)
    assert f"{file}, line 3, column user_id: found 'one', expected a whole number" in sentence
    assert "--widen makes it varchar(32)" in sentence
    assert "gone.csv' matches no file" in refusal("load", "user_variant", str(tmp_path / "gone.csv"))
    assert sentence.endswith("Nothing was loaded. Correct this and load again.\n")


def test_load_tells_the_days_it_touched_what_it_left_out_and_what_the_built_in_models_do_not_take(
    path: Path, tmp_path: Path
) -> None:
    file = tmp_path / "e.csv"
    file.write_text("user_id,datestamp,item_id,clicked,purchased,paidamount,page\n7,2026-01-03,5,1,1,12.99,x\n")
    first, *remarks = printed("load", "user_event", str(file)).splitlines()
    assert first == "raw_data.user_event: 1 row from 1 file, 2026-01-03"
    assert remarks[0] == f"  {file}: page left out."
    assert "raw_data.user_event.paidamount is decimal(18,2): the built-in models take integer" in remarks[1]
    assert printed("load", "user_event", str(file), "--undo").startswith(
        "raw_data.user_event: 1 row taken back of 1 file, 2026-01-03"
    )
    assert execute(path, "select count(*) from raw_data.user_event") == [(0,)]


# summary


def test_summary_counts_each_table_and_totals_each_variant_in_full(path: Path) -> None:
    name, twin = "a_variant_with_as_long_a_name_as_", "a_variant_with_as_long_a_name_at_"
    execute(path, "create schema analytics")
    execute(path, "create table analytics.dim_user_variant as select * from range(1234)")
    execute(
        path,
        f"create table {DAILY} as select * from (values"
        f" ('{name}', 1, date '2025-01-02', 5000, 20, 3, 70000), ('{name}', 1, date '2025-01-09', 1, 1, 1, 1),"
        f" ('{twin}', 2, null, 2, 1, null, null), (null, 3, date '2025-01-05', 1, 0, 0, 0)"
        ") as t(variant_id, user_id, datestamp, num_of_items, num_of_clicks, num_of_purchases, revenue)",
    )
    table = [re.findall(r"[^\s│]+", line) for line in printed("summary").splitlines()]
    assert ["dim_user_variant", "1,234"] in table
    assert [name, "1", "5,001", "21", "4", "70,001"] in table
    assert [twin, "1", "2", "1", "0", "0"] in table
    assert ["(none)", "1", "1", "0", "0", "0"] in table
    assert [f"{DAILY.split('.')[1]},", "2025-01-02", "to", "2025-01-09,", "users", "with", "events"] in table
    execute(path, f"delete from {DAILY}")
    assert "analytics_variant_user_daily, users with events" in printed("summary")


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (("summary",), "nothing is built yet"),
        (("verdicts",), "no verdict is stored yet, and dbt alone makes none"),
        (("readout", "checkout"), "no experiment is built yet"),
    ],
)
def test_before_the_first_build_it_says_how_to_build(path: Path, command: tuple[str, ...], what: str) -> None:
    printed("sample", *SMALL)
    assert refusal(*command) == (
        f"{what}: load raw rows with `ab-pipeline load`, then run `make dev`, which builds every day of them,"
        " or `ab-pipeline refresh`\n"
    )


# The warehouse and the settings


def test_a_warehouse_that_is_not_there_is_not_created_by_looking(path: Path) -> None:
    assert refusal("summary").startswith(f"{path} does not exist yet. Fill it with `ab-pipeline sample`")
    assert not path.exists()


@each_command
def test_a_warehouse_that_another_process_holds_is_named(path: Path, command: tuple[str, ...]) -> None:
    hold = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        try:
            sentence = refusal(*command)
        finally:
            holder.kill()
    assert sentence.startswith(f"{path} is in use by another process: ")
    assert f"(PID {holder.pid})" in sentence


def test_a_load_waits_for_whoever_has_the_file_for_a_moment(path: Path, tmp_path: Path) -> None:
    file = write_csv(tmp_path, "one.csv", "1,a")
    hold = f"import duckdb, time; c = duckdb.connect({str(path)!r}); print('open', flush=True); time.sleep(1)"
    with (
        mock.patch.object(connect, "_PATIENCE", 30),
        subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE) as holder,
    ):
        assert holder.stdout
        holder.stdout.readline()
        assert printed("load", "user_variant", file).startswith("raw_data.user_variant: 1 row from 1 file")


@each_command
def test_a_file_that_is_no_warehouse_is_named_and_left_alone(path: Path, command: tuple[str, ...]) -> None:
    path.write_text("not a database " * 1000)
    assert refusal(*command).startswith(f"{path} cannot be opened as a DuckDB file: ")
    assert path.read_text().startswith("not a database")


def test_a_damaged_warehouse_is_not_mistaken_for_a_busy_one(path: Path) -> None:
    printed("sample", *SMALL)
    content = bytearray(path.read_bytes())
    # the block after DuckDB's three headers
    content[3 * 4096 : 5 * 4096] = b"\xff" * 2 * 4096
    path.write_bytes(content)
    sentence = refusal("summary")
    assert sentence.startswith(f"{path} cannot be opened as a DuckDB file: ")
    assert "restore a backup" in sentence


def test_a_folder_that_cannot_be_made_is_named(path: Path) -> None:
    path.write_text("")
    os.environ[f"{ENV_PREFIX}DUCKDB_PATH"] = str(path / "warehouse.duckdb")
    assert str(path) in refusal("sample", *SMALL)


@each_command
def test_a_wrong_setting_is_named_with_its_variable(command: tuple[str, ...]) -> None:
    os.environ[f"{ENV_PREFIX}TIMEZONE"] = "Mars/Olympus"
    assert refusal(*command).startswith("AB_PIPELINE_TIMEZONE=Mars/Olympus: 'Mars/Olympus' is not an IANA time zone")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("late-rows", "2025-02-14"), "AB_PIPELINE_TARGET=redshift: this works on the embedded warehouse only."),
        (("load", "user_variant", "x.csv"), "target redshift loads through S3: set AB_PIPELINE_S3_STAGING and "),
        (("sample", *SMALL), "nowhere.invalid:5439 cannot be reached, or the connection was lost"),
        (("summary",), "nowhere.invalid:5439 cannot be reached, or the connection was lost"),
    ],
)
def test_what_redshift_needs_is_said(command: tuple[str, ...], sentence: str) -> None:
    os.environ[f"{ENV_PREFIX}TARGET"] = "redshift"
    assert refusal(*command).startswith("target redshift needs AB_PIPELINE_REDSHIFT_HOST")
    for name in ("HOST", "DATABASE", "USER", "PASSWORD"):
        os.environ[f"{ENV_PREFIX}REDSHIFT_{name}"] = "nowhere.invalid"
    assert refusal(*command).startswith(sentence)


# Help


@pytest.mark.parametrize("command", ["sample", "load", "summary"])
def test_every_command_and_every_option_is_explained(command: str) -> None:
    assert re.search(rf"^  {command} +\S", printed("--help"), flags=re.MULTILINE)
    text = printed(command, "-h")
    assert text == printed(command, "--help")
    options = re.findall(r"^ +(--[\w-]+)(.*(?:\n {20,}.*)?)", text, flags=re.MULTILINE)
    assert {name for name, _ in options} >= set(re.findall(r"(?<!\S)--[\w-]+", text)) - {"--help"}
    for name, explanation in options:
        assert re.search(r" {2,}\S", explanation), name
