"""The dead man's switch: somebody elsewhere notices when this machine no longer asks."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlsplit, urlunsplit

from ab_pipeline.watch.part import Reading, Status

_SECONDS = 10
_logger = logging.getLogger("ab_pipeline.watch")


@dataclass(frozen=True)
class Ping:
    """An address as healthchecks.io has it: asked while all is well, and with /fail at its end otherwise."""

    url: str

    def __call__(self, readings: Mapping[str, Reading]) -> None:
        """Ask it once. That it does not answer is its own service's to notice."""
        bad = [f"{name}: {one.says}" for name, one in readings.items() if one.status != Status.UP]
        parts = urlsplit(self.url)
        url = urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail")) if bad else self.url
        body = "\n".join(bad).encode() if bad else None
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body), timeout=_SECONDS):
                pass
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            _logger.error("the address to ping at %s does not answer: %s", parts.hostname, error)
