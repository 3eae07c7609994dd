"""A run on Redshift that meets another transaction, loses its connection, is cancelled, or fails for good."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import date

import pytest
from dagster import DagsterEventType, DagsterInstance
from dagster._serdes import serialize_value

from ab_pipeline.paths import PROJECT_DIR
from ab_pipeline.settings import ENV_PREFIX, Settings, load_settings
from ab_pipeline_tests.integration.redshift_pipeline import (
    Location,
    add_one_cent,
    create_raw_tables,
    revenue_by_day,
    session_of,
)
from ab_pipeline_tests.redshift.faults import DISK_FULL, SERIALISATION, Fault, Injection
from ab_pipeline_tests.redshift.server import Redshift
from ab_pipeline_tests.servers import postgres_session

# dagster-dbt itself reads what Dagster has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:AssetExecutionContext:DeprecationWarning")

JAN_1 = date(2025, 1, 1)
# half of the window's replacement is done
INSERT = r"insert into \S*analytics_variant_user_daily\W"
FACTS_AND_DAILY = ("fact_user_event", "analytics_variant_user_daily")


@pytest.fixture(scope="module")
def server(redshift_of_the_session: Redshift) -> Iterator[Redshift]:
    redshift_of_the_session.reset()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(redshift_of_the_session.certificate))
        for name, value in redshift_of_the_session.settings().items():
            environment.setenv(f"{ENV_PREFIX}{name}", value)
        yield redshift_of_the_session


@pytest.fixture(scope="module")
def settings(server: Redshift) -> Settings:
    return load_settings()


@pytest.fixture(scope="module")
def location(settings: Settings) -> Iterator[Location]:
    """A pipeline that has built a day."""
    with session_of(settings) as session:
        create_raw_tables(session, JAN_1)
    with DagsterInstance.ephemeral() as instance:
        location = Location(instance, settings)
        assert location.refresh(JAN_1).success
        yield location


@pytest.fixture
def old(location: Location, settings: Settings, server: Redshift) -> int:
    """The day's revenue as it is built. A cent more has arrived since."""
    server.faults.inject(None)
    with session_of(settings) as session:
        add_one_cent(session, JAN_1)
    return revenue(settings)


def revenue(settings: Settings) -> int:
    with session_of(settings) as session:
        return revenue_by_day(session)[JAN_1]


@pytest.mark.parametrize(
    "fault",
    [Injection(Fault.ERROR, pattern=INSERT, error=SERIALISATION), Injection(Fault.DROP, pattern=INSERT)],
    ids=["conflict", "lost_connection"],
)
def test_a_build_that_fails_for_the_moment_is_done_again_as_a_whole(
    location: Location, settings: Settings, server: Redshift, old: int, fault: Injection
) -> None:
    server.faults.inject(fault)
    run = location.refresh(JAN_1, FACTS_AND_DAILY)
    assert server.faults.has_struck
    assert [event.event_type for event in run.all_events].count(DagsterEventType.STEP_UP_FOR_RETRY) == 1
    assert run.success
    assert revenue(settings) == old + 1


def test_a_run_that_is_cancelled_leaves_no_query_and_the_old_rows(
    location: Location, settings: Settings, server: Redshift, old: int
) -> None:
    server.faults.inject(Injection(Fault.SLOW, pattern=INSERT, seconds=300))
    threading.Thread(target=interrupt_once, args=(server,), daemon=True).start()
    run = location.refresh(JAN_1, FACTS_AND_DAILY)
    assert not run.success
    assert sleeping_sessions(server) == 0
    assert revenue(settings) == old


def test_nothing_that_is_written_down_of_a_run_has_the_password(
    location: Location, settings: Settings, server: Redshift, old: int, capfd: pytest.CaptureFixture[str]
) -> None:
    server.faults.inject(Injection(Fault.ERROR, pattern=INSERT, error=DISK_FULL))
    failed = location.refresh(JAN_1, FACTS_AND_DAILY)
    assert [event.event_type for event in failed.all_events].count(DagsterEventType.STEP_UP_FOR_RETRY) == 0
    assert not failed.success
    assert revenue(settings) == old
    succeeded = location.refresh(JAN_1, FACTS_AND_DAILY)
    assert succeeded.success
    written = {
        str(path): path.read_bytes()
        for path in PROJECT_DIR.glob("target/redshift-*/**/*")
        if path.is_file() and path.name != "perf_info.json"
    }
    for run in (failed, succeeded):
        entries = location.instance.all_logs(run.run_id)
        written[f"event log of {run.run_id}"] = "".join(map(serialize_value, entries)).encode()
    written["printed"] = "".join(capfd.readouterr()).encode()
    assert "Disk Full" in written[f"event log of {failed.run_id}"].decode()
    assert any(path.endswith("manifest.json") for path in written)
    assert [path for path, content in written.items() if server.password.encode() in content] == []


def interrupt_once(redshift: Redshift) -> None:
    """As Dagster's daemon does with a run that somebody terminates, once the slow statement is there."""
    while not sleeping_sessions(redshift):
        time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGINT)


def sleeping_sessions(redshift: Redshift) -> int:
    with postgres_session(redshift.server_url) as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep(%'"
            " and pid <> pg_backend_pid()"
        )
        return cursor.fetchall()[0][0]
