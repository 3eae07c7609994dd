"""Pages and JSON that runs have written, and dbt's documentation: read from where they lie, never made here."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ab_pipeline.door.guard import sentence
from ab_pipeline.maintenance.object_store import ObjectMissingError, ObjectStore, StoreError

_logger = logging.getLogger("ab_pipeline.door")
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none';"
    " form-action 'none'; sandbox allow-popups allow-downloads"
)
"""No script, no form, nothing from elsewhere, and none of this site's cookies for what would get in all the same."""
_DOCS_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline' data:; img-src data:;"
    " font-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox allow-scripts allow-popups"
)
"""dbt's documentation is a program: it may run, but as a site of its own, and reach nothing."""
_NOT_YET = "Nothing is written yet: the asset experiment_report writes it, or `ab-pipeline report`"
_NO_READOUT = "There is no such experiment, or it has no read-out yet: the programme says why"


@dataclass(frozen=True)
class Pages:
    """Their routes, for every role."""

    store: ObjectStore

    def routes(self) -> list[BaseRoute]:
        """Pages, the programme's JSON, documentation."""
        return [
            *(Route(path, self.with_slash, methods=["GET"]) for path in ("/experiments", "/docs")),
            Route("/experiments/", self.programme, methods=["GET"]),
            Route("/experiments/{name:path}", self.page, methods=["GET"]),
            Route("/docs/", self.documentation, methods=["GET"]),
            Route("/api/v1/experiments", self.programme_json, methods=["GET"]),
            Route("/api/v1/experiments/{name:path}/readout", self.readout, methods=["GET"]),
            # Dagster answers with its page to whatever it does not know
            Route("/api/{rest:path}", self.nothing),
        ]

    async def with_slash(self, request: Request) -> Response:
        """Links on the page are relative to it."""
        return RedirectResponse(f"{request.scope['path']}/", 307)

    async def programme(self, _request: Request) -> Response:
        """Every experiment."""
        return await self._html("index.html", _PAGE_POLICY, _NOT_YET)

    async def page(self, request: Request) -> Response:
        """One experiment."""
        name = request.path_params["name"]
        if not name.endswith(".html"):
            return sentence("There is no such page", 404)
        return await self._html(name, _PAGE_POLICY, _NO_READOUT)

    async def documentation(self, _request: Request) -> Response:
        """dbt's own pages."""
        return await self._html("docs/index.html", _DOCS_POLICY, _NOT_YET)

    async def programme_json(self, _request: Request) -> Response:
        """The same for programs."""
        return await self._json("index.json", _NOT_YET)

    async def readout(self, request: Request) -> Response:
        """What `ab-pipeline readout --json` prints, as of the newest refresh."""
        name = request.path_params["name"]
        # the programme's own file lies among them
        missing = _NO_READOUT
        return sentence(missing, 404) if name == "index" else await self._json(f"{name}.json", missing)

    async def nothing(self, _request: Request) -> Response:
        """For programs that ask for what there is not."""
        return sentence("There is /api/v1/experiments, and /api/v1/experiments/X/readout", 404)

    async def _html(self, name: str, policy: str, missing: str) -> Response:
        headers = {"Content-Security-Policy": policy, "Cache-Control": "private, no-cache"}
        return await self._answer(name, "text/html; charset=utf-8", headers, missing)

    async def _json(self, name: str, missing: str) -> Response:
        return await self._answer(name, "application/json", {"Cache-Control": "private, no-cache"}, missing)

    async def _answer(self, name: str, kind: str, headers: dict[str, str], missing: str) -> Response:
        try:
            content = await to_thread.run_sync(self.store.get_bytes, name)
        except ObjectMissingError:
            return sentence(missing, 404)
        except StoreError as error:
            # a name that leaves the folder, or a bucket that cannot be read
            _logger.warning("%s", error)
            return sentence("The pages cannot be read: the door's log says why", 503)
        return Response(content, 200, headers, kind)
