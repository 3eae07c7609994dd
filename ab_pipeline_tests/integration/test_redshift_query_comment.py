"""Whoever looks at Redshift's queries reads off each which run and which build sent it, and for which model."""

from __future__ import annotations

import json
import re

import pytest

from ab_pipeline_tests.dbt_warehouse import RedshiftDatabase
from ab_pipeline_tests.integration.history import JAN_2, add_one_cent, build_history

COMMENT = re.compile(r"/\* (\{.*?\}) \*/\s*(?=\w)")
# dbt-redshift's own, of a connection and not of a model
OF_THE_SESSION = re.compile(r"\s*(begin|commit|rollback|set |select pg_backend_pid)", re.IGNORECASE)
DAILY = "model.ab_pipeline.analytics_variant_user_daily"


def test_every_statement_says_which_run_build_and_model_it_is_of(
    redshift_database: RedshiftDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_RUN_ID", "the-run")
    build_history(redshift_database)
    add_one_cent(redshift_database, JAN_2)
    redshift_database.server.journal.clear()
    redshift_database.refresh()
    statements = [sql for sql in redshift_database.server.statements if not OF_THE_SESSION.match(sql)]
    found = [(COMMENT.match(sql), sql) for sql in statements]
    assert [sql for comment, sql in found if comment is None] == []
    comments = [json.loads(comment.group(1)) for comment, _ in found if comment]
    assert {(comment["app"], comment["run"]) for comment in comments} == {("ab_pipeline", "the-run")}
    assert len({comment["build"] for comment in comments}) == 1
    of_the_daily_table = [
        sql[comment.end() :] for comment, sql in found if comment and json.loads(comment.group(1)).get("node") == DAILY
    ]
    # the deletes and inserts of the strategy and of its hooks, none of which is the first of its text
    for beginning in (
        'delete from "dev"."analytics"."analytics_variant_user_daily"',
        'insert into "dev"."analytics"."built_user"',
    ):
        assert any(sql.startswith(beginning) for sql in of_the_daily_table), beginning
