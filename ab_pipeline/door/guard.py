"""What stands before every route: who nobody knows goes no further, nor what another site sends in their name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ab_pipeline.door.accounts import AccountsError
from ab_pipeline.door.identity import Identity, visitor_of
from ab_pipeline.maintenance.storage import StorageError

LOGIN = "/login"
OPEN_PATHS = frozenset({LOGIN, "/oidc/login", "/oidc/callback"})
"""What nobody has to be logged in for."""
_MOST_HEADER_BYTES = 32 * 1024
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# a WebSocket is let in once, and would stay
_WEBSOCKET_SECONDS = 3600.0
_WEBSOCKET_LOOK_SECONDS = 15.0
_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_logger = logging.getLogger("ab_pipeline.door")


def comes_from_elsewhere(connection: HTTPConnection, public_url: str) -> bool:
    """Whether a browser says that another site's page sends it. Programs that are no browsers say nothing."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return True
    origin = connection.headers.get("origin")
    if origin is None:
        return False
    scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
    here = {f"{scheme}://{connection.headers.get('host', '')}", origin_of(public_url)}
    return origin.lower() not in {one.lower() for one in here}


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class Envelope:
    """Outermost: what needs no login at all, and the headers that every answer has."""

    app: ASGIApp
    public_url: str
    health: dict[str, Callable[[], Awaitable[Response]]]
    """Answers by path. Who asks, such as a load balancer, often knows no host name."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        is_encrypted = self.public_url.startswith("https:")
        answer = await self._answer(scope, is_encrypted=is_encrypted)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if is_encrypted:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        if answer is None:
            await self.app(scope, receive, send_with_headers)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await answer(scope, receive, send_with_headers)

    async def _answer(self, scope: Scope, *, is_encrypted: bool) -> Response | None:
        if scope["type"] == "http" and scope["path"] in self.health and scope["method"] in _SAFE_METHODS:
            return await self.health[scope["path"]]()
        if sum(len(name) + len(value) for name, value in scope["headers"]) > _MOST_HEADER_BYTES:
            return PlainTextResponse(
                f"The headers of the request are longer than {_MOST_HEADER_BYTES // 1024} kB: delete this site's"
                " cookies, and try again",
                431,
            )
        if is_encrypted and scope["scheme"] in ("http", "ws"):
            return PlainTextResponse(
                f"This came in clear text: open {self.public_url}. If it went through your proxy, name the proxy's"
                " address in AB_PIPELINE_PROXY_ADDRESSES and have it send X-Forwarded-Proto",
                400,
            )
        return None


@dataclass(frozen=True)
class Guard:
    """After the middleware that finds out who it is."""

    app: ASGIApp
    public_url: str
    identity: Identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            connection = HTTPConnection(scope)
            answer = self._refusal(connection)
            await (answer or self.app)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _refusal(self, connection: HTTPConnection) -> Response | None:
        path, method = connection.scope["path"], connection.scope["method"]
        if visitor_of(connection) is None and path not in OPEN_PATHS:
            return not_logged_in(connection)
        has_token = "authorization" in connection.headers and path not in OPEN_PATHS
        if method not in _SAFE_METHODS and not has_token and comes_from_elsewhere(connection, self.public_url):
            return sentence("Another site's page sent this, so it is refused", 403)
        return None

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        if visitor_of(connection) is None or comes_from_elsewhere(connection, self.public_url):
            # before it is accepted: the client sees 403
            await send({"type": "websocket.close", "code": 1008})
            return
        closed = False

        async def watched(message: Message) -> None:
            nonlocal closed
            closed = closed or message["type"] == "websocket.close"
            await send(message)

        going = asyncio.ensure_future(self.app(scope, receive, watched))
        until = asyncio.get_running_loop().time() + _WEBSOCKET_SECONDS
        try:
            while not (await asyncio.wait({going}, timeout=_WEBSOCKET_LOOK_SECONDS))[0]:
                is_over = asyncio.get_running_loop().time() > until
                if is_over or await self._is_gone(connection):
                    break
        finally:
            going.cancel()
        if going.done():
            # what it raised
            going.result()
        elif not closed:
            await send({"type": "websocket.close", "code": 1008, "reason": "log in again"})

    async def _is_gone(self, connection: HTTPConnection) -> bool:
        try:
            return await self.identity.authenticate(connection) is None
        except (AccountsError, StorageError):
            return True


def not_logged_in(connection: HTTPConnection) -> Response:
    """A browser is sent to the login and back; a program is told."""
    if connection.scope["method"] in ("GET", "HEAD") and "text/html" in connection.headers.get("accept", ""):
        here = connection.scope["path"]
        if query := connection.scope["query_string"].decode("latin-1"):
            here += f"?{query}"
        return RedirectResponse(f"{LOGIN}?next={quote(here, safe='/')}", 303, {"Cache-Control": "no-store"})
    return JSONResponse(
        {"error": "Log in at /login, or send an API token as `Authorization: Bearer abp_...`"},
        401,
        {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"},
    )


def sentence(text: str, status: int) -> JSONResponse:
    """An answer for people and programs."""
    return JSONResponse({"error": text}, status, {"Cache-Control": "no-store"})


@dataclass(frozen=True)
class Explained:
    """Around all that asks who it is: what is wrong here is one sentence there, and no traceback."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        try:
            await self.app(scope, receive, send)
        except (AccountsError, StorageError) as error:
            _logger.error("%s", error)
            answer = sentence("The door cannot look up who you are: its log says why", 503)
            if scope["type"] == "http":
                await answer(scope, receive, send)
            elif scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1011})
