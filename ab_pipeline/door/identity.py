"""Who sends a request: by a session's cookie, or by a token."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.requests import HTTPConnection

from ab_pipeline.door.accounts import AccountsFile
from ab_pipeline.door.roles import ROLE_NAMES, Role
from ab_pipeline.door.sessions import SECONDS, EndedSessions

# by which the clocks of replicas may differ, or one be set back
_CLOCK_SECONDS = 60


@dataclass(frozen=True)
class Visitor(BaseUser):
    """Somebody who is let in."""

    name: str
    role: Role
    way: str
    """`password`, `oidc` or `token`."""
    session_id: str | None = None

    @property
    def is_authenticated(self) -> bool:
        """They are."""
        return True

    @property
    def display_name(self) -> str:
        """The name."""
        return self.name

    @property
    def identity(self) -> str:
        """The name."""
        return self.name


def visitor_of(connection: HTTPConnection) -> Visitor | None:
    """Who sends it; None for nobody who is let in."""
    user = connection.scope.get("user")
    return user if isinstance(user, Visitor) else None


def address_of(connection: HTTPConnection) -> str:
    """Where it comes from: the proxy's word for it, where a proxy is trusted."""
    return connection.client.host if connection.client else "unknown"


@dataclass(frozen=True)
class Identity(AuthenticationBackend):
    """Looks at every request and WebSocket."""

    accounts: AccountsFile
    ended: EndedSessions
    oidc_stamp: str | None
    """Of the settings of OIDC; None where nobody logs in by it."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """A header always wins over a cookie, also where it is wrong."""
        header = conn.headers.get("authorization")
        visitor = self._by_token(header) if header is not None else self._by_session(conn.session)
        if visitor and visitor.session_id and await to_thread.run_sync(self.ended.has, visitor.session_id):
            visitor = None
        return (AuthCredentials([visitor.role]), visitor) if visitor else None

    def _by_token(self, header: str) -> Visitor | None:
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret.isascii():
            return None
        token = self.accounts.accounts().token(secret.strip(), dt.datetime.now(dt.UTC))
        return Visitor(token.name, token.role, "token") if token else None

    def _by_session(self, session: dict[str, Any]) -> Visitor | None:
        # its signature is good: it says what `begin` has put in, or it is one from before a login
        if "id" not in session or not -_CLOCK_SECONDS <= time.time() - session["since"] < SECONDS:
            return None
        name, way = session["name"], session["way"]
        if way == "oidc":
            role = session["role"] if session["stamp"] == self.oidc_stamp else None
        else:
            user = self.accounts.accounts().user(name)
            role = user.role if user and user.stamp == session["stamp"] else None
        return Visitor(name, Role(role), way, session["id"]) if role in ROLE_NAMES else None


def begin(session: dict[str, Any], name: str, role: Role, way: str, stamp: str) -> None:
    """A new session, whatever there was in the cookie before."""
    session.clear()
    session.update(
        id=secrets.token_urlsafe(16), name=name, role=str(role), way=way, stamp=stamp, since=int(time.time())
    )


def stamp_of(*settings: object) -> str:
    """Another one as soon as one of the settings changes."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:16]
