"""The cause of a dbt failure is found among what dbt and Dagster wrap it in. The texts are recorded."""

from __future__ import annotations

from ab_pipeline.dbt.error_text import NodeError, is_passing_failure, node_errors

HEAD = (
    "dagster_dbt.errors.DagsterDbtCliRuntimeError: The dbt CLI process with command\n\n`build --select a`\n\n"
    "failed with exit code `1`. Check the stdout.\n\nErrors parsed from dbt logs:\n\n"
)


def test_a_model_that_cannot_be_built() -> None:
    text = HEAD + (
        "21 of 33 ERROR creating sql incremental model fact_user_event ... [\x1b[31mERROR\x1b[0m in 0.14s]\n\n"
        "[ERROR]: in model fact_user_event (models/fact/fact_user_event.sql)\n\n"
        "  Compilation Error in model fact_user_event (models/fact/fact_user_event.sql)\n  \n"
        "                The source and target schemas on this incremental model are out of sync!\n"
        "                They can be reconciled in several ways:\n  \n"
        "  > in macro default__process_schema_changes (macros/materializations/on_schema_change.sql)\n"
        "  > called by model fact_user_event (models/fact/fact_user_event.sql)\n\n"
        "  compiled code at target/compiled/fact_user_event.sql\n"
    )
    [error] = node_errors(text)
    assert (error.resource, error.name) == ("model", "fact_user_event")
    assert error.lines == (
        "The source and target schemas on this incremental model are out of sync!",
        "They can be reconciled in several ways:",
    )


def test_an_error_that_dbt_logs_twice_is_one() -> None:
    once = "Compilation Error in operation start-0 (./x.yml)\n  the raw tables are not as said:\n  - a is missing"
    assert node_errors(f"{HEAD}[ERROR]: Encountered an error:\n{once}\n\n{once}\n") == [
        NodeError("operation", "start-0", ("the raw tables are not as said:", "- a is missing"))
    ]


def test_a_locked_warehouse_is_dbt_itself_failing_without_its_traceback() -> None:
    text = HEAD + (
        '[ERROR]: Encountered an error:\nIO Error: Could not set lock on file "w.duckdb"\n\n'
        'Traceback (most recent call last):\n  File "connections.py", line 110, in exception_handler\n    yield\n'
        "_duckdb.IOException: IO Error\n"
    )
    assert node_errors(text) == [NodeError("", "", ('IO Error: Could not set lock on file "w.duckdb"',))]


def test_each_failed_node_has_its_own_lines() -> None:
    text = HEAD + (
        "[ERROR]: in test unique_key (models/a.yml)\n\n  Got 1 result, configured to fail if != 0\n\n"
        "[ERROR]: in model b (models/b.sql)\n\n"
        "  Database Error in model b (models/b.sql)\n  Binder Error: no column c\n"
    )
    assert node_errors(text) == [
        NodeError("test", "unique_key", ("Got 1 result, configured to fail if != 0",)),
        NodeError("model", "b", ("Binder Error: no column c",)),
    ]


def test_another_text_has_no_nodes() -> None:
    assert node_errors("RuntimeError: [ERROR]: in model b") == []


CONFLICT = "[ERROR]: in model a (models/a.sql)\n\n  Database Error in model a (models/a.sql)\n  1023\n"
DISK_FULL = "[ERROR]: in model b (models/b.sql)\n\n  Database Error in model b (models/b.sql)\n  Disk Full\n"


def test_a_build_passes_if_each_of_its_errors_does() -> None:
    assert is_passing_failure(HEAD + CONFLICT)
    assert not is_passing_failure(HEAD + CONFLICT + "\n" + DISK_FULL)
    assert not is_passing_failure("RuntimeError: 1023")
