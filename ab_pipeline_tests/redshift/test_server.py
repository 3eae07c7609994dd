"""The stand-in, asked by the driver that users have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
import redshift_connector

from ab_pipeline_tests.redshift.server import Redshift


@pytest.fixture
def cursor(redshift: Redshift) -> Iterator[redshift_connector.Cursor]:
    with closing(redshift.connect()) as connection:
        connection.autocommit = True
        yield connection.cursor()


def test_every_statement_is_noted_as_often_as_it_runs(redshift: Redshift, cursor: redshift_connector.Cursor) -> None:
    for number in (1, 1, 2):
        cursor.execute("select %s", [number])
        assert cursor.fetchall() == ([number],)
    assert redshift.statements == ["select $1"] * 3
