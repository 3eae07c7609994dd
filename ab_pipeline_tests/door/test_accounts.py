"""Users and tokens in their file."""

from __future__ import annotations

import datetime as dt
import multiprocessing
from pathlib import Path

import pytest

from ab_pipeline.door.accounts import Accounts, AccountsError, AccountsFile, is_password_of
from ab_pipeline.door.roles import Role

PASSWORD = "correct horse battery"
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def file(tmp_path: Path) -> AccountsFile:
    return AccountsFile(tmp_path / "data" / "accounts.json")


def ann() -> Accounts:
    return Accounts().with_user("Ann", Role.VIEWER, PASSWORD)


def test_a_user_is_known_by_their_password_and_by_no_other() -> None:
    user = ann().user("ANN ")
    assert is_password_of(user, PASSWORD)
    assert not is_password_of(user, PASSWORD + "x")
    assert not is_password_of(user, "")
    assert not is_password_of(None, PASSWORD)


def test_a_password_is_the_same_however_a_keyboard_composes_it() -> None:
    user = Accounts().with_user("ann", Role.VIEWER, "caf\u00e9 caf\u00e9 caf\u00e9").user("ann")
    assert is_password_of(user, "cafe\u0301 cafe\u0301 cafe\u0301")


def test_another_password_or_role_is_another_stamp() -> None:
    first = ann().user("ann")
    others = [ann().with_role("ann", Role.ADMIN), ann().with_password("ann", PASSWORD)]
    assert first
    assert all(user.stamp != first.stamp for accounts in others if (user := accounts.user("ann")))


def test_a_token_is_good_until_it_expires_or_is_revoked() -> None:
    accounts, secret = Accounts().with_token("ci", Role.LAUNCHER, NOW, days=2)
    found = accounts.token(secret, NOW + dt.timedelta(days=1))
    assert found
    assert (found.name, found.role) == ("ci", Role.LAUNCHER)
    assert accounts.token(secret, NOW + dt.timedelta(days=2)) is None
    assert accounts.token(secret + "x", NOW) is None
    assert accounts.without_token("ci").token(secret, NOW) is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda: ann().with_user("ann", Role.ADMIN, PASSWORD), "there is a user ann already"),
        (lambda: Accounts().with_user("ann", Role.ADMIN, "short"), "12 to 256 characters, and this one 5"),
        (lambda: Accounts().with_user("ann", Role.ADMIN, "x" * 257), "12 to 256 characters, and this one 257"),
        (lambda: Accounts().with_user("an n", Role.ADMIN, PASSWORD), "'an n' is no name"),
        (lambda: Accounts().with_user("", Role.ADMIN, PASSWORD), "'' is no name"),
        (lambda: ann().with_role("bob", Role.ADMIN), "no user is called bob: there are ann"),
        (lambda: Accounts().without_user("bob"), "no user is called bob: there is none"),
        (lambda: Accounts().without_token("ci"), "no token is called ci"),
    ],
)
def test_what_does_not_fit_is_a_sentence(change: object, sentence: str) -> None:
    assert callable(change)
    with pytest.raises(AccountsError, match=sentence.replace("'", ".")):
        change()


def test_the_file_holds_no_secret_and_is_its_owners(file: AccountsFile) -> None:
    accounts, secret = ann().with_token("ci", Role.LAUNCHER, NOW, days=2)
    file.change(lambda _: accounts)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in file.path.read_text()
    assert secret not in file.path.read_text()
    assert PASSWORD not in repr(accounts)
    assert AccountsFile(file.path).accounts() == accounts


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_lets_nobody_in(file: AccountsFile, mode: int) -> None:
    file.change(lambda _: ann())
    file.path.chmod(mode)
    with pytest.raises(AccountsError, match=r"others may read .*accounts.json, so nobody is let in: `chmod 600"):
        file.accounts()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"users": [{"name": "ann", "role": "owner"}]}', b"\xff"])
def test_a_damaged_file_lets_nobody_in_and_is_left_as_it_is(file: AccountsFile, content: bytes) -> None:
    file.change(lambda _: ann())
    file.path.write_bytes(content)
    with pytest.raises(AccountsError, match="is damaged, so nobody is let in"):
        file.accounts()
    with pytest.raises(AccountsError, match="is damaged"):
        file.change(lambda accounts: accounts.with_user("bob", Role.VIEWER, PASSWORD))
    assert file.path.read_bytes() == content


def test_a_change_is_seen_by_who_has_read_it_before(file: AccountsFile) -> None:
    file.change(lambda _: ann())
    reader = AccountsFile(file.path)
    assert reader.accounts().user("ann")
    file.change(lambda accounts: accounts.without_user("ann"))
    assert reader.accounts() == Accounts()


def _add(path: Path, number: int) -> None:
    AccountsFile(path).change(lambda accounts: accounts.with_user(f"user{number}", Role.VIEWER, PASSWORD))


def test_changes_at_the_same_time_lose_none(file: AccountsFile) -> None:
    file.change(lambda _: Accounts())
    workers = [multiprocessing.get_context("forkserver").Process(target=_add, args=(file.path, n)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(file.accounts().users) == 6
