"""How every part of the installation is, for people: what the watch says."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from ab_pipeline.door.html import headers, template

_SECONDS = 3
_MOST_BYTES = 1_000_000
_HEADERS = headers(has_form=False)
# what is wrong first
_ORDER = {"down": 0, "unknown": 1, "up": 2}


@dataclass(frozen=True)
class StatusPage:
    """Its route, for every role."""

    watch_url: str

    def routes(self) -> list[BaseRoute]:
        """The page."""
        return [Route("/status", self.show, methods=["GET"])]

    async def show(self, _request: Request) -> Response:
        """What the watch says, or that it says nothing."""
        said = await to_thread.run_sync(self._asked)
        components = said.get("components", {}) if said else {}
        parts = sorted(components.items(), key=lambda item: (_ORDER.get(item[1]["status"], 0), item[0]))
        page = template("status.html.j2").render(said=said, parts=parts)
        return HTMLResponse(page, 200, _HEADERS)

    def _asked(self) -> dict[str, Any] | None:
        url = f"{self.watch_url.rstrip('/')}/readyz"
        try:
            try:
                with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
                    content = answer.read(_MOST_BYTES)
            except urllib.error.HTTPError as error:
                # what fails is in its body
                with error:
                    content = error.read(_MOST_BYTES)
            said = json.loads(content)
        except (OSError, HTTPException, ValueError):
            return None
        return said if isinstance(said, dict) and isinstance(said.get("components"), dict) else None
