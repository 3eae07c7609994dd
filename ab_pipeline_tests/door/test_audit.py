"""What is written down of who did what, in both of Dagster's storages."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dagster import DagsterInstance

from ab_pipeline.cli import main
from ab_pipeline.commands import users as users_module
from ab_pipeline.door.audit import BEGUN, Audit, Deed, Written
from ab_pipeline.door.database import FILE, DoorDatabase
from ab_pipeline.door.roles import Role
from ab_pipeline.door.sessions import EndedSessions
from ab_pipeline.door.throttle import OF_ONE_NAME, Throttle
from ab_pipeline.maintenance.cleanup.open import open_clean_up
from ab_pipeline.maintenance.storage import StorageError, postgres_storage
from ab_pipeline.settings import Settings
from ab_pipeline_tests.door.doors import InFront
from ab_pipeline_tests.door.graphql import LAUNCH, answer, ask
from ab_pipeline_tests.servers import empty_database, postgres_session

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"
DAY = dt.timedelta(days=1)
NOW = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)


@pytest.fixture(params=["sqlite", "postgres"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    storage = ""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres")
        empty_database(url)
        storage = f"storage:\n  postgres:\n    postgres_url: {postgres_storage(url).sqlalchemy_url}\n"
    (tmp_path / "dagster.yaml").write_text(storage)
    return tmp_path


def deed(action: str, at: dt.datetime = NOW, user: str = "ann") -> Deed:
    return Deed(user, "admin", "password", "10.0.0.1", action, at=at)


def test_a_deed_is_read_as_it_was_written_with_what_came_of_it(home: Path) -> None:
    audit = Audit(DoorDatabase.beside(home))
    written = audit.write(deed("launchRun"))
    assert [one.result for one in audit.deeds()] == [BEGUN]
    audit.finish(written, "LaunchRunSuccess 1234")
    assert list(Audit(DoorDatabase.beside(home)).deeds()) == [
        Deed("ann", "admin", "password", "10.0.0.1", "launchRun", "", "LaunchRunSuccess 1234", NOW)
    ]


def test_what_came_of_a_restore_is_in_the_database_that_took_its_place(home: Path) -> None:
    audit = Audit(DoorDatabase.beside(home))
    written = audit.write(deed("ab-pipeline restore"))
    audit.forget(NOW + DAY)
    # of the restored one, by the same number perhaps
    audit.write(deed("launchRun", NOW - DAY))
    audit.finish(written, "done")
    assert sorted((one.action, one.result) for one in audit.deeds()) == [
        ("ab-pipeline restore", "done"),
        ("launchRun", BEGUN),
    ]


def test_a_command_leaves_no_connection_that_a_restore_would_wait_for(tmp_path: Path, postgres: str) -> None:
    empty_database(postgres)
    url = postgres_storage(postgres).sqlalchemy_url
    (tmp_path / "dagster.yaml").write_text(f"storage:\n  postgres:\n    postgres_url: {url}\n")
    # of clients: autovacuum comes and goes as it likes
    others = (
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        " and backend_type = 'client backend'"
    )
    with postgres_session(postgres) as sql:
        sql.execute(others)
        [before] = sql.fetchone() or [0]
        audit = Audit(DoorDatabase.beside(tmp_path, pooled=False))
        audit.finish(audit.write(deed("ab-pipeline restore")), "done")
        sql.execute(others)
        assert (sql.fetchone() or [0])[0] <= before


def test_deeds_are_asked_for_by_time_and_user_and_forgotten_by_age(home: Path) -> None:
    audit = Audit(DoorDatabase.beside(home))
    for n, user in enumerate(["ann", "bob", "ann"]):
        audit.write(deed(f"{n}", NOW + n * DAY, user))
    assert [one.action for one in audit.deeds(user="ann")] == ["0", "2"]
    assert [one.action for one in audit.deeds(since=NOW + DAY)] == ["1", "2"]
    assert audit.forget(NOW + 2 * DAY) == 2
    assert [one.action for one in audit.deeds()] == ["2"]


def test_a_clean_up_keeps_the_audit_as_long_as_the_archive(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AB_PIPELINE_ARCHIVE_KEEP_DAYS", "100")
    monkeypatch.setenv("AB_PIPELINE_ARCHIVE_LOCATION", str(home / "archive"))
    settings, now = Settings(), dt.datetime.now(dt.UTC)
    with DagsterInstance.from_config(str(home)) as instance:
        assert open_clean_up(instance, settings, print).audit is None
        audit = Audit(DoorDatabase.beside(home))
        for days in (101, 99, 0):
            audit.write(deed(f"{days}", now - days * DAY))
        report = open_clean_up(instance, settings, print).apply()
        assert "1 deeds removed" in [part.result for part in report.parts if part.part == "audit"]
    assert [one.action for one in audit.deeds()] == ["99", "0"]


def test_what_is_long_or_odd_is_cut_to_a_line(home: Path) -> None:
    audit = Audit(DoorDatabase.beside(home))
    audit.write(Deed("a\x00b\nc", "", "token", "x" * 500, "y" * 500, "z" * 9_000, "\ud800"))
    found = next(audit.deeds())
    assert (found.user, len(found.address), len(found.about), found.result) == ("a b c", 64, 2_000, "?")


def test_sessions_end_and_attempts_are_counted_for_all_replicas(home: Path) -> None:
    one, other = DoorDatabase.beside(home), DoorDatabase.beside(home)
    EndedSessions(one).end("abc")
    EndedSessions(one).end("abc")
    assert EndedSessions(other).has("abc")
    assert not EndedSessions(other).has("abd")
    attempts = [Throttle(replica).attempt("ann", "10.0.0.1", None) for _ in range(6) for replica in (one, other)]
    assert sum(wait is None for wait in attempts) == OF_ONE_NAME


def test_a_database_that_is_out_of_reach_is_a_sentence_without_its_password(tmp_path: Path) -> None:
    url = "postgresql://ann:hunter2@127.0.0.1:9/dagster"
    (tmp_path / "dagster.yaml").write_text(f"storage:\n  postgres:\n    postgres_url: {url}\n")
    with pytest.raises(StorageError, match=r"the door's tables in .*ann:.*@127.0.0.1:9/dagster") as error:
        DoorDatabase.beside(tmp_path)
    assert "hunter2" not in str(error.value)


def test_the_file_is_its_owners(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").touch()
    DoorDatabase.beside(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_mutation_is_written_down_with_its_result_and_without_its_configuration(front: InFront) -> None:
    client = front.logged_in(Role.LAUNCHER)
    run = answer(client, LAUNCH)["launchRun"]["run"]["runId"]
    found = front.deeds()[-1]
    assert (found.user, found.role, found.way, found.address) == ("launcher", "launcher", "password", "10.0.0.1")
    assert (found.action, found.result) == ("launchRun", f"LaunchRunSuccess {run}")
    assert '"jobName": "greeting"' in found.about
    config = 'mutation { launchRun(executionParams: {selector: {repositoryLocationName: "location.py", repositoryName: "__repository__", jobName: "greeting"}, runConfigData: "{password: hunter2}"}) { __typename } }'  # noqa: E501
    ask(client, config)
    assert front.deeds()[-1].result.startswith("RunConfigValidationInvalid")
    assert "hunter2" not in front.deeds()[-1].about


def test_what_is_refused_is_written_down_too(front: InFront) -> None:
    ask(front.program(Role.VIEWER), LAUNCH)
    found = front.deeds()[-1]
    assert (found.user, found.way, found.action) == ("viewer-ci", "token", "launchRun")
    assert found.result == "refused: Your role is viewer: this takes the role launcher"
    front.program(Role.VIEWER).post("/report_asset_check/guest", json={"passed": True})
    assert front.deeds()[-1].result == "refused: Your role is viewer: this takes the role editor"


def test_log_ins_and_log_outs_are_written_down_and_a_failed_one_as_nobodys(front: InFront) -> None:
    client = front.logged_in(Role.EDITOR, "10.0.0.7")
    assert (front.deeds()[-1].user, front.deeds()[-1].action, front.deeds()[-1].result) == ("editor", "log in", "done")
    client.post("/login", data={"name": "admin", "password": "wrong", "next": "/"})
    failed = front.deeds()[-1]
    assert (failed.user, failed.role, failed.about) == ("nobody", "", "as admin")
    assert failed.result == "refused: wrong name or password"
    client.post("/logout")
    assert (front.deeds()[-1].user, front.deeds()[-1].action) == ("editor", "log out")


def test_nothing_is_done_that_cannot_be_written_down(front: InFront, monkeypatch: pytest.MonkeyPatch) -> None:
    client, before = front.program(Role.LAUNCHER), front.instance.get_runs_count()

    def refuse(*_: object) -> Written:
        raise StorageError("the disk is full")

    monkeypatch.setattr(Audit, "write", refuse)
    got = ask(client, LAUNCH)
    assert got.status_code == 400
    assert "could not be written down, so it is not done" in got.text
    assert front.instance.get_runs_count() == before


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("SUDO_USER", "ann")
    (tmp_path / "dagster.yaml").touch()
    settings = Settings(accounts_path=tmp_path / "accounts.json")
    monkeypatch.setattr(users_module, "get_settings", lambda: settings)
    return tmp_path


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=typed)


def deeds_of(home: Path) -> list[tuple[str, str, str]]:
    return [(one.user, one.action, one.result) for one in Audit(DoorDatabase.beside(home)).deeds()]


def test_users_and_tokens_come_and_go_and_the_audit_names_who_did_it(cli: Path) -> None:
    assert "names no user: `ab-pipeline users add NAME --role admin`" in run("users", "list").output
    added = run("users", "add", "Bob", "--role", "viewer", typed=f"{PASSWORD}\n")
    assert (added.exit_code, added.output) == (0, "Bob may log in as viewer\n")
    assert run("users", "role", "bob", "admin").output == "bob is admin, and logs in again\n"
    assert run("users", "password", "bob", typed=f"{PASSWORD}!\n").exit_code == 0
    assert "│ bob  │ admin │" in run("users", "list").output
    token = run("tokens", "create", "ci", "--role", "launcher").output
    assert token.startswith("abp_")
    assert len(token.splitlines()) == 1
    assert "ci" in run("tokens", "list").output
    assert token.strip() not in run("tokens", "list").output
    assert run("tokens", "revoke", "ci").output == "ci is revoked\n"
    assert run("users", "remove", "bob").output == "bob is removed, and their sessions are over\n"
    actions = ("users add", "users role", "users password", "tokens create", "tokens revoke", "users remove")
    assert deeds_of(cli) == [("ann", f"ab-pipeline {action}", "done") for action in actions]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("users", "add", "bob", "--role", "viewer"), "Error: a password has 12 to 256 characters, and this one 5"),
        (("users", "add", "bob", "--role", "owner"), "'owner' is not one of 'viewer', 'launcher', 'editor', 'admin'"),
        (("users", "role", "bob", "admin"), "Error: no user is called bob: there is none"),
        (("users", "remove", "bob"), "Error: no user is called bob: there is none"),
        (("tokens", "revoke", "ci"), "Error: no token is called ci: there is none"),
        (("tokens", "create", "ci", "--role", "viewer", "--days", "1000"), "1000 is not in the range 1<=x<=366"),
    ],
)
def test_what_does_not_fit_is_a_sentence(cli: Path, arguments: tuple[str, ...], sentence: str) -> None:
    result = run(*arguments, typed="short\n")
    assert result.exit_code in (1, 2)
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_the_audit_is_shown_to_people_and_programs(cli: Path) -> None:
    Audit(DoorDatabase.beside(cli)).write(deed("launchRun"))
    Audit(DoorDatabase.beside(cli)).write(deed("[red]deleteRun", NOW + DAY, "bob"))
    shown = run("audit").output
    assert "2 deeds" in shown
    assert "2026-01-31 12:00:00" in shown
    assert "[red]deleteRun" in shown
    assert [one["user"] for one in json.loads(run("audit", "--json").output)] == ["ann", "bob"]
    assert [one["user"] for one in json.loads(run("audit", "--json", "--since", "2026-02-01").output)] == ["bob"]
    assert [one["action"] for one in json.loads(run("audit", "--json", "--user", "ann").output)] == ["launchRun"]
    assert run("audit", "--since", "yesterday").exit_code == 2


def test_a_command_that_changes_something_is_written_down_and_one_that_only_looks_is_not(cli: Path) -> None:
    refused = run("rollback", "2025-01-01", "--yes")
    assert refused.exit_code == 1
    run("restore", "--dry-run")
    run("cleanup")
    [(user, action, result)] = deeds_of(cli)
    assert (user, action) == ("ann", "ab-pipeline rollback")
    assert result in refused.output


def test_a_password_in_a_command_is_not_in_the_audit(cli: Path) -> None:
    run("restore", "nothing", "--to", "postgresql://ann:hunter2@127.0.0.1:9/x", "--yes")
    [found] = Audit(DoorDatabase.beside(cli)).deeds()
    assert "hunter2" not in str(found)
    assert "postgresql://...@127.0.0.1:9/x" in found.about


def test_a_command_works_where_nothing_can_be_written_down_and_says_so(
    cli: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cli / "dagster.yaml").write_text("storage:\n  postgres:\n    postgres_url: postgresql://a:b@127.0.0.1:9/x\n")
    result = run("tokens", "create", "ci", "--role", "viewer")
    assert result.exit_code == 0
    assert "This is not in the audit: " in result.output
    monkeypatch.setenv("DAGSTER_HOME", str(cli / "nothing"))
    assert run("tokens", "revoke", "ci").output == "ci is revoked\n"
    assert not (cli / "nothing").exists()
