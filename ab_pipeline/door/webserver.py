"""Dagster's web server with a door: its own routes and pages, each behind the login."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from anyio import to_thread
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.permissions import PermissionResult
from dagster_webserver.webserver import DagsterWebserver
from graphene import Schema
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute
from starlette.websockets import WebSocket

from ab_pipeline.door.audit import Audit
from ab_pipeline.door.guard import Envelope, Explained, Guard, sentence
from ab_pipeline.door.identity import Identity, Visitor, visitor_of
from ab_pipeline.door.mutations import deed_of, lock
from ab_pipeline.door.permissions import permissions_in_location, permissions_of
from ab_pipeline.door.roles import Role, refusal
from ab_pipeline.door.sessions import SECONDS

_LIVE_DATA_POLL_MILLISECONDS = 2000
Report = Callable[[Request], Awaitable[JSONResponse]]


@dataclass(frozen=True)
class Parts:
    """What the door is made of."""

    public_url: str
    hosts: tuple[str, ...]
    """The host names that it answers to."""
    secret: str
    cookie: str
    identity: Identity
    audit: Audit
    routes: tuple[BaseRoute, ...]
    """What it serves beside Dagster."""


class DoorContext(WorkspaceRequestContext):
    """What Dagster's resolvers ask for permission, for one request."""

    @property
    def _role(self) -> Role:
        return _visitor(self.source).role

    @property
    def permissions(self) -> Mapping[str, PermissionResult]:
        """Of the role."""
        return permissions_of(self._role)

    def permissions_for_location(self, *, location_name: str) -> Mapping[str, PermissionResult]:  # noqa: ARG002
        """The same in every code location."""
        return permissions_in_location(self._role)

    @property
    def show_instance_config(self) -> bool:
        """dagster.yaml tells where everything is."""
        return self._role.may(Role.EDITOR)

    def get_viewer_tags(self) -> dict[str, str]:
        """On backfills, which the daemon launches later."""
        from dagster._core.storage.tags import USER_TAG

        return {USER_TAG: _visitor(self.source).name}

    def get_reporting_user_tags(self) -> dict[str, str]:
        """On events that are reported."""
        from dagster._core.storage.tags import REPORTING_USER_TAG

        return {REPORTING_USER_TAG: _visitor(self.source).name}


class Door(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """By the seams that Dagster has for it: middleware, routes, GraphQL schema, request context."""

    def __init__(self, process_context: WorkspaceProcessContext, parts: Parts) -> None:
        self._parts = parts
        super().__init__(process_context, live_data_poll_rate=_LIVE_DATA_POLL_MILLISECONDS)

    def build_middleware(self) -> list[Middleware]:
        """Ours, outermost first, then Dagster's."""
        parts = self._parts
        is_encrypted = parts.public_url.startswith("https:")
        return [
            Middleware(
                Envelope, public_url=parts.public_url, health={"/healthz": self._healthz, "/readyz": self._readyz}
            ),
            Middleware(TrustedHostMiddleware, allowed_hosts=parts.hosts, www_redirect=False),
            Middleware(
                SessionMiddleware,
                secret_key=parts.secret,
                session_cookie=parts.cookie,
                max_age=SECONDS,
                same_site="lax",
                https_only=is_encrypted,
            ),
            Middleware(Explained),
            Middleware(AuthenticationMiddleware, backend=parts.identity),
            Middleware(Guard, public_url=parts.public_url, identity=parts.identity),
            *super().build_middleware(),
        ]

    def build_routes(self) -> list[BaseRoute]:
        """Ours first: Dagster's last route answers to every path."""
        return [*self._parts.routes, *super().build_routes()]

    def build_graphql_schema(self) -> Schema:
        """Dagster's, its mutations locked."""
        return lock(super().build_graphql_schema(), self._parts.audit)

    def _make_request_context(self, conn: HTTPConnection) -> WorkspaceRequestContext:
        process = self._process_context
        return DoorContext(
            instance=process.instance,
            current_workspace=process.get_current_workspace(),
            process_context=process,
            version=process.version,
            source=conn,
            read_only=False,
        )

    async def graphql_http_endpoint(self, request: Request) -> HTMLResponse | PlainTextResponse | JSONResponse:
        """Queries and mutations come as a JSON object by POST, and in no other way."""
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            # the page of GraphiQL; it executes nothing
            return await super().graphql_http_endpoint(request)
        if request.method != "POST":
            return JSONResponse({"error": "GraphQL is asked by POST"}, 405, {"Allow": "POST"})
        if _kind(request) != "application/json":
            return sentence("GraphQL is asked by a body of Content-Type application/json", 415)
        asked = await _json_object(request)
        variables = asked.get("variables") if asked is not None else None
        if asked is None or not isinstance(asked.get("query"), str):
            return sentence("The body is no JSON object with a query", 400)
        if not isinstance(variables, dict | None) or not isinstance(asked.get("operationName"), str | None):
            return sentence("variables is no JSON object, or operationName no string", 400)
        return await super().graphql_http_endpoint(request)

    async def graphql_ws_endpoint(self, websocket: WebSocket) -> None:
        """Subscriptions. What is no message of its protocol ends it."""
        try:
            await super().graphql_ws_endpoint(websocket)
        except (ValueError, KeyError, AttributeError, TypeError):
            await websocket.close(1008, "that is no message of the protocol graphql-ws")

    async def report_asset_materialization_endpoint(self, request: Request) -> JSONResponse:
        """An event from outside, written down."""
        return await self._reported(request, super().report_asset_materialization_endpoint)

    async def report_asset_check_endpoint(self, request: Request) -> JSONResponse:
        """A check result from outside, written down."""
        return await self._reported(request, super().report_asset_check_endpoint)

    async def report_asset_observation_endpoint(self, request: Request) -> JSONResponse:
        """An observation from outside, written down."""
        return await self._reported(request, super().report_asset_observation_endpoint)

    async def download_debug_file_endpoint(self, request: Request) -> StreamingResponse:
        """All that is stored of a run."""
        _editors_only(request)
        if not await to_thread.run_sync(self._process_context.instance.has_run, request.path_params["run_id"]):
            raise HTTPException(404, "There is no such run")
        return await super().download_debug_file_endpoint(request)

    async def download_notebook(self, request: Request) -> HTMLResponse | PlainTextResponse:
        """A file that the code server reads."""
        _editors_only(request)
        if missing := {"path", "repoLocName"} - request.query_params.keys():
            raise HTTPException(400, f"The address lacks {' and '.join(sorted(missing))}")
        return await super().download_notebook(request)

    async def download_captured_logs_endpoint(self, request: Request) -> FileResponse:
        """What a run printed."""
        try:
            return await super().download_captured_logs_endpoint(request)
        except (ValueError, OSError):
            # Dagster's word for a path that leaves the folder
            raise HTTPException(404, "No log files available for download") from None

    async def _reported(self, request: Request, report: Report) -> JSONResponse:
        visitor, write = _visitor(request), self._parts.audit.write
        action = request.scope["path"].strip("/").partition("/")[0]
        deed = deed_of(visitor, request, action, request.path_params["asset_key"])
        if why := refusal(visitor.role, Role.EDITOR):
            await to_thread.run_sync(write, replace(deed, result=f"refused: {why}"))
            return JSONResponse({"error": why}, 403)
        if _kind(request) == "application/json" and await _json_object(request) is None:
            return JSONResponse({"error": "The body is no JSON object"}, 400)
        written, result = await to_thread.run_sync(write, deed), "failed"
        try:
            answer = await report(request)
            result = "done" if answer.status_code == 200 else f"failed: {answer.status_code}"
        finally:
            await to_thread.run_sync(self._parts.audit.finish, written, result)
        return answer

    async def _healthz(self) -> Response:
        """This process answers."""
        return PlainTextResponse("ok")

    async def _readyz(self) -> Response:
        """Whether it can do its work; anybody may ask, so it says no more."""
        is_ready = await to_thread.run_sync(self._is_ready)
        return PlainTextResponse("ok" if is_ready else "not ready", 200 if is_ready else 503)

    def _is_ready(self) -> bool:
        try:
            self._process_context.instance.get_runs(limit=1)
        except Exception:
            # whatever the storage raises
            return False
        entries = self._process_context.get_current_workspace().code_location_entries.values()
        return all(entry.code_location is not None for entry in entries)


def _visitor(source: object) -> Visitor:
    """Who sends it: the guard has let nobody else through."""
    visitor = visitor_of(source) if isinstance(source, HTTPConnection) else None
    if visitor is None:
        raise HTTPException(401, "Log in first")
    return visitor


def _editors_only(request: Request) -> None:
    if why := refusal(_visitor(request).role, Role.EDITOR):
        raise HTTPException(403, why)


def _kind(request: Request) -> str:
    """The content type, by itself: `text/plain;application/json`, which any site's form may send, is text/plain."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _json_object(request: Request) -> dict[str, object] | None:
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
