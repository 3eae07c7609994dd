"""Readers that the settings name may read all that is built, however often it is built again, and nobody else may."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest

from ab_pipeline_tests.dbt_warehouse import RedshiftDatabase
from ab_pipeline_tests.integration.history import JAN_2, add_one_cent, build_history

BUILT = {
    "analytics_variant_user_daily",
    "dim_user",
    "dim_user_metadata",
    "dim_user_variant",
    "fact_user_event",
    "snapshot_user_metadata",
    "snapshot_user_variant",
}
READERS = "AB_PIPELINE_REDSHIFT_READERS"
GRANTS = """
select c.relname, r.rolname, granted.privilege_type
from pg_class as c
cross join lateral aclexplode(c.relacl) as granted
inner join pg_roles as r on granted.grantee = r.oid
where c.relnamespace = 'analytics'::regnamespace and not r.rolsuper
"""
TABLES = "select relname, oid from pg_class where relkind = 'r' and relnamespace = 'analytics'::regnamespace"


@pytest.fixture
def database(redshift_database: RedshiftDatabase) -> Iterator[RedshiftDatabase]:
    """Raw tables, and the three kinds of readers, whom all databases of the server share."""
    redshift_database.execute(
        "create role analysts; create role bi; comment on role bi is 'role';"
        " create role ann login; create role zoe login"
    )
    yield redshift_database
    redshift_database.clear()
    redshift_database.execute("drop role analysts; drop role bi; drop role ann; drop role zoe")


def select_on_all(*readers: str) -> set[tuple[str, str, str]]:
    return {(relation, reader, "SELECT") for relation in BUILT for reader in readers}


def test_readers_keep_what_they_may_read_when_tables_are_filled_swapped_and_made_anew(
    database: RedshiftDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(READERS, "group:analysts, role:bi,user:ann")
    build_history(database)
    assert set(database.execute(GRANTS)) == select_on_all("analysts", "bi", "ann")

    first = dict(database.execute(TABLES))
    add_one_cent(database, JAN_2)
    database.refresh()
    second = dict(database.execute(TABLES))
    # dbt swaps a table and fills an incremental one
    assert first["dim_user_variant"] != second["dim_user_variant"]
    assert first["fact_user_event"] == second["fact_user_event"]
    assert set(database.execute(GRANTS)) == select_on_all("analysts", "bi", "ann")

    database.refresh(full=True)
    assert second["fact_user_event"] != dict(database.execute(TABLES))["fact_user_event"]
    assert set(database.execute(GRANTS)) == select_on_all("analysts", "bi", "ann")
    assert database.execute("set role ann; select count(*) from analytics.dim_user") == [(2,)]
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        database.execute("set role zoe; select count(*) from analytics.dim_user")

    # who is no longer named may no longer read
    monkeypatch.setenv(READERS, "role:bi,user:zoe")
    database.refresh()
    assert set(database.execute(GRANTS)) == select_on_all("bi", "zoe")
