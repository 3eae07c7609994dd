"""A real S3 server in which faults can be switched on: what moto does not refuse by itself."""

from __future__ import annotations

import datetime as dt
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

Environ = dict[str, Any]
Answer = Iterable[bytes]
Wsgi = Callable[[Environ, Callable[..., Any]], Answer]


@dataclass
class FaultyS3:
    """moto's application behind switches. Every switch is off at first."""

    denied_methods: frozenset[str] = frozenset()
    dropped_after: int | None = None
    """Uploads of more bytes lose their connection after so many."""
    clock_ahead: dt.timedelta = dt.timedelta()
    requests: int = 0

    def __post_init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Answer:
        self.requests += 1
        if environ["REQUEST_METHOD"] in self.denied_methods:
            return _refuse(start_response, "AccessDenied", "Access Denied")
        if self._skew(environ) > dt.timedelta(minutes=15):
            return _refuse(start_response, "RequestTimeTooSkewed", "The difference is too large.")
        size = int(environ.get("CONTENT_LENGTH") or 0)
        if self.dropped_after is not None and environ["REQUEST_METHOD"] == "PUT" and size > self.dropped_after:
            environ["wsgi.input"].read(self.dropped_after)
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            return []
        return self._moto(environ, start_response)

    def _skew(self, environ: Environ) -> dt.timedelta:
        signed_at = dt.datetime.strptime(environ["HTTP_X_AMZ_DATE"], "%Y%m%dT%H%M%S%z")
        return abs(dt.datetime.now(dt.UTC) + self.clock_ahead - signed_at)


@contextmanager
def serve(application: FaultyS3) -> Iterator[str]:
    """The application on loopback; its endpoint URL."""
    server = make_server("127.0.0.1", 0, application, threaded=True)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _refuse(start_response: Callable[..., Any], code: str, message: str) -> Answer:
    start_response("403 Forbidden", [("Content-Type", "application/xml")])
    return [f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()]
