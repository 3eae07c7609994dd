"""Local users and API tokens, in one file that only its owner may read."""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import os
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import TypeAdapter, ValidationError

from ab_pipeline.door.roles import Role
from ab_pipeline.errors import UserError

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256
TOKEN_PREFIX = "abp_"
"""How a token begins, by which scanners of secrets know it."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
# OWASP's second recommendation: 19 MiB, some 30 ms
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class AccountsError(UserError):
    """The accounts cannot be used, or not so. The message says why and what to do."""


@dataclass(frozen=True)
class User:
    """Somebody who logs in with a password."""

    name: str
    role: Role
    password_hash: str = field(repr=False)

    @property
    def stamp(self) -> str:
        """Another one as soon as password or role change, which ends the sessions that carry it."""
        return hashlib.sha256(f"{self.password_hash} {self.role}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Token:
    """A program's way in. The token itself is shown once, when it is made."""

    name: str
    role: Role
    digest: str = field(repr=False)
    """SHA-256 of the token, which is 256 random bits."""
    created_at: dt.datetime
    expires_at: dt.datetime


@dataclass(frozen=True)
class Accounts:
    """All users and tokens, by name."""

    users: tuple[User, ...] = ()
    tokens: tuple[Token, ...] = ()

    def user(self, name: str) -> User | None:
        """The user, whatever case the name is written in."""
        return next((user for user in self.users if user.name == name.strip().lower()), None)

    def token(self, secret: str, now: dt.datetime) -> Token | None:
        """The token, unless it has expired."""
        digest = _digest(secret)
        found = next((token for token in self.tokens if secrets.compare_digest(token.digest, digest)), None)
        return found if found and now < found.expires_at else None

    def with_user(self, name: str, role: Role, password: str) -> Accounts:
        """With a new user.

        Raises:
            AccountsError: the name is taken or is none, or the password is too short.
        """
        name = checked_name(name)
        if self.user(name):
            raise AccountsError(f"there is a user {name} already: `ab-pipeline users role` or `password` changes it")
        return replace(self, users=_sorted((*self.users, User(name, role, hashed(password)))))

    def with_role(self, name: str, role: Role) -> Accounts:
        """With another role of a user, whose sessions end."""
        user = self._existing(name)
        return replace(self, users=_sorted((*self._others(user), replace(user, role=role))))

    def with_password(self, name: str, password: str) -> Accounts:
        """With another password of a user, whose sessions end."""
        user = self._existing(name)
        return replace(self, users=_sorted((*self._others(user), replace(user, password_hash=hashed(password)))))

    def without_user(self, name: str) -> Accounts:
        """Without a user, whose sessions end."""
        return replace(self, users=self._others(self._existing(name)))

    def with_token(self, name: str, role: Role, now: dt.datetime, days: int) -> tuple[Accounts, str]:
        """With a new token, and the token."""
        name = checked_name(name)
        if any(token.name == name for token in self.tokens):
            raise AccountsError(f"there is a token {name} already: `ab-pipeline tokens revoke {name}` ends it")
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = Token(name, role, _digest(secret), now, now + dt.timedelta(days=days))
        return replace(self, tokens=_sorted((*self.tokens, token))), secret

    def without_token(self, name: str) -> Accounts:
        """Without a token.

        Raises:
            AccountsError: there is none of that name.
        """
        kept = tuple(token for token in self.tokens if token.name != name.strip().lower())
        if len(kept) == len(self.tokens):
            raise AccountsError(f"no token is called {name}: {_names(self.tokens)}")
        return replace(self, tokens=kept)

    def _existing(self, name: str) -> User:
        if user := self.user(name):
            return user
        raise AccountsError(f"no user is called {name}: {_names(self.users)}")

    def _others(self, user: User) -> tuple[User, ...]:
        return tuple(other for other in self.users if other != user)


@dataclass
class AccountsFile:
    """The file, read again whenever it was replaced."""

    path: Path
    _read: tuple[tuple[int, int, int], Accounts] | None = None

    def accounts(self) -> Accounts:
        """What it holds; nobody while there is no file.

        Raises:
            AccountsError: others may read it, or it is damaged.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return Accounts()
        except OSError as error:
            raise AccountsError(f"{self.path}: {error.strerror}") from error
        if found.st_mode & 0o077:
            raise AccountsError(f"others may read {self.path}, so nobody is let in: `chmod 600 {self.path}`")
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._read is None or self._read[0] != version:
            self._read = version, _parsed(self.path)
        return self._read[1]

    def change(self, change: Callable[[Accounts], Accounts]) -> None:
        """Replace the accounts by others, one change after the other.

        Raises:
            AccountsError: the change does not fit, or the file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self.path.with_name(f".{self.path.name}.lock")):
                content = _ADAPTER.dump_json(change(self.accounts()), indent=2)
                partial = self.path.with_name(f".{self.path.name}.partial")
                partial.unlink(missing_ok=True)
                descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(self.path)
        except OSError as error:
            raise AccountsError(f"{self.path} cannot be written: {error.strerror}") from error


_Account = TypeVar("_Account", User, Token)
_ADAPTER = TypeAdapter(Accounts)
_NOBODY = _HASHER.hash(secrets.token_hex())


def hashed(password: str) -> str:
    """The password's argon2id hash.

    Raises:
        AccountsError: it is too short or too long.
    """
    password = _normal(password)
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise AccountsError(
            f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters, and this one {len(password)}"
        )
    return _HASHER.hash(password)


def is_password_of(user: User | None, password: str) -> bool:
    """Whether it is. It takes as long for a user that does not exist."""
    try:
        _HASHER.verify(user.password_hash if user else _NOBODY, _normal(password)[: LONGEST_PASSWORD + 1])
    except (VerificationError, InvalidHashError):
        return False
    return user is not None


def checked_name(name: str) -> str:
    """The name in lower case.

    Raises:
        AccountsError: it is none.
    """
    name = name.strip().lower()
    if not _NAME.fullmatch(name):
        raise AccountsError(f"{name!r} is no name: up to 64 of a-z, 0-9 and . _ @ + -, a letter or digit first")
    return name


def _parsed(path: Path) -> Accounts:
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise AccountsError(
            f"{path} is damaged, so nobody is let in: {where}{': ' if where else ''}{first['msg']}."
            " Put it back from a copy, or remove it and add the users again"
        ) from None
    except OSError as error:
        raise AccountsError(f"{path}: {error.strerror}") from error


def _normal(password: str) -> str:
    # the same characters, however a keyboard composes them
    return unicodedata.normalize("NFKC", password)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _sorted(accounts: tuple[_Account, ...]) -> tuple[_Account, ...]:
    return tuple(sorted(accounts, key=lambda one: one.name))


def _names(accounts: tuple[User, ...] | tuple[Token, ...]) -> str:
    return f"there are {', '.join(one.name for one in accounts)}" if accounts else "there is none"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
