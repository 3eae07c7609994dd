"""The page to log in and out at."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ab_pipeline.door.accounts import AccountsFile, User, is_password_of
from ab_pipeline.door.audit import NOBODY, Audit, Deed
from ab_pipeline.door.guard import LOGIN
from ab_pipeline.door.html import headers, template
from ab_pipeline.door.identity import Visitor, address_of, begin, visitor_of
from ab_pipeline.door.sessions import EndedSessions
from ab_pipeline.door.throttle import Throttle

LOGOUT = "/logout"
_MOST_FORM_BYTES = 4096
_YEAR_SECONDS = 365 * 24 * 3600
# each takes 19 MiB and a processor
_HASHES_AT_ONCE = 2
_HEADERS = headers(has_form=True)
_logger = logging.getLogger("ab_pipeline.door")


@dataclass(frozen=True)
class Login:
    """Its routes."""

    accounts: AccountsFile
    throttle: Throttle
    ended: EndedSessions
    audit: Audit
    devices: URLSafeTimedSerializer
    cookie_prefix: str
    """`__Host-` where it is all over TLS."""
    has_oidc: bool
    hashing: CapacityLimiter

    @classmethod
    def at_most(cls) -> CapacityLimiter:
        """How many passwords are looked at at once."""
        return CapacityLimiter(_HASHES_AT_ONCE)

    def routes(self) -> list[BaseRoute]:
        """The page, and the two forms on it."""
        return [
            Route(LOGIN, self.show, methods=["GET"]),
            Route(LOGIN, self.log_in, methods=["POST"]),
            Route(LOGOUT, self.log_out, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The form, or who is logged in."""
        return self._page(request, inside(request.query_params.get("next")))

    async def log_in(self, request: Request) -> Response:
        """A session for a name with its password."""
        form = await _form(request)
        if form is None:
            return self._page(request, "/", "That was no form of this page: fill it in again.", 400)
        name, password, next_page = form["name"], form["password"], inside(form["next"])
        device, address = self._device(request, name), address_of(request)
        wait = await to_thread.run_sync(self.throttle.attempt, name, address, device)
        user = self.accounts.accounts().user(name)
        if wait:
            if wait.is_news:
                await self._refused(user, address, "too many wrong passwords")
            problem = f"Too many wrong passwords from here: try again in {_minutes(wait.seconds)}."
            answer = self._page(request, next_page, problem, 429)
            answer.headers["Retry-After"] = str(wait.seconds)
            return answer
        if not await to_thread.run_sync(is_password_of, user, password, limiter=self.hashing) or user is None:
            await self._refused(user, address, "wrong name or password")
            return self._page(request, next_page, "Name or password is wrong.", 401)
        await to_thread.run_sync(self.throttle.forget, name, address, device)
        deed = Deed(user.name, str(user.role), "password", address, "log in", result="done")
        await to_thread.run_sync(self.audit.write, deed)
        return self._let_in(request, user, next_page)

    async def log_out(self, request: Request) -> Response:
        """The end of a session, of every copy of its cookie as well."""
        visitor = visitor_of(request)
        if visitor and visitor.session_id:
            await to_thread.run_sync(self.ended.end, visitor.session_id)
            deed = Deed(visitor.name, str(visitor.role), visitor.way, address_of(request), "log out", result="done")
            await to_thread.run_sync(self.audit.write, deed)
        request.session.clear()
        return RedirectResponse(LOGIN, 303, {"Cache-Control": "no-store"})

    def _let_in(self, request: Request, user: User, next_page: str) -> Response:
        begin(request.session, user.name, user.role, "password", user.stamp)
        answer = RedirectResponse(next_page, 303, {"Cache-Control": "no-store"})
        answer.set_cookie(
            f"{self.cookie_prefix}ab_pipeline_device",
            self.devices.dumps([user.name, request.session["id"]]),
            max_age=_YEAR_SECONDS,
            secure=bool(self.cookie_prefix),
            httponly=True,
            samesite="strict",
        )
        return answer

    def _device(self, request: Request, name: str) -> str | None:
        """What counts the attempts of a browser in which this user has logged in before."""
        cookie = request.cookies.get(f"{self.cookie_prefix}ab_pipeline_device", "")
        try:
            owner, device = self.devices.loads(cookie, max_age=_YEAR_SECONDS)
        except (BadSignature, ValueError, TypeError):
            return None
        return device if owner == name.strip().lower() else None

    async def _refused(self, user: User | None, address: str, why: str) -> None:
        # whoever is not let in is nobody, whatever cookie came along; and a name that nobody has may be a password
        about = f"as {user.name}" if user else "as somebody who does not exist"
        deed = Deed(NOBODY, "", "password", address, "log in", about, f"refused: {why}")
        await to_thread.run_sync(self.audit.write, deed)

    def _page(self, request: Request, next_page: str, problem: str = "", status: int = 200) -> Response:
        visitor = None if problem else visitor_of(request)
        return login_page(visitor, next_page, problem, status, has_oidc=self.has_oidc)


def login_page(
    visitor: Visitor | None = None, next_page: str = "/", problem: str = "", status: int = 200, *, has_oidc: bool
) -> Response:
    """The form and what went wrong, or who is logged in."""
    html = template("login.html.j2").render(visitor=visitor, next_page=next_page, problem=problem, has_oidc=has_oidc)
    return HTMLResponse(html, status, _HEADERS)


def inside(next_page: str | None) -> str:
    """The page to go on to, if it is one of ours."""
    if not next_page or not next_page.startswith("/") or next_page.startswith(("//", LOGIN, LOGOUT)):
        return "/"
    # browsers read a backslash as a slash, and leave control characters out
    return "/" if "\\" in next_page or not next_page.isprintable() else next_page


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of the form; None of what is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_FORM_BYTES:
            return None
    try:
        fields = parse_qs(body.decode(), max_num_fields=8)
    except ValueError:
        return None
    return {name: fields.get(name, [""])[0] for name in ("name", "password", "next")}


def _minutes(seconds: int) -> str:
    return f"{seconds} seconds" if seconds < 90 else f"{round(seconds / 60)} minutes"
