"""What the watch answers: all from memory, in milliseconds, whatever hangs."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Collection, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ab_pipeline.watch.part import Reading, Status, Watch

_HEADERS = {"Cache-Control": "no-store"}


def answers(watch: Watch, registry: CollectorRegistry) -> Starlette:
    """/healthz, /readyz, /readyz/PART, /metrics."""
    names = [part.name for part in watch.parts]

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok", headers=_HEADERS)

    async def readyz(request: Request) -> Response:
        left_out = {name for value in request.query_params.getlist("exclude") for name in value.split(",") if name}
        if unknown := sorted(left_out.difference(names)):
            return _no_such(unknown, names)
        readings = {name: one for name, one in watch.readings(time.time()).items() if name not in left_out}
        return _answer(readings)

    async def ready_part(request: Request) -> Response:
        name = request.path_params["part"]
        if name not in names:
            return _no_such([name], names)
        return _answer({name: watch.readings(time.time())[name]})

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(registry), headers={**_HEADERS, "Content-Type": CONTENT_TYPE_LATEST})

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/readyz/{part}", ready_part),
            Route("/metrics", metrics),
        ]
    )


def as_json(readings: Mapping[str, Reading]) -> dict[str, Any]:
    """What each part is, what it says and since when; those that fail by name."""
    failing = [name for name, one in readings.items() if one.status == Status.DOWN]
    unknown = [name for name, one in readings.items() if one.status == Status.UNKNOWN]
    return {
        "status": "failing" if failing else "unknown" if unknown else "ok",
        "failing": failing,
        "unknown": unknown,
        "components": {
            name: {"status": one.status, "says": one.says, "since": _iso(one.since), "at": one.at and _iso(one.at)}
            for name, one in readings.items()
        },
    }


def _answer(readings: Mapping[str, Reading]) -> Response:
    said = as_json(readings)
    return JSONResponse(said, 200 if said["status"] == "ok" else 503, _HEADERS)


def _no_such(unknown: Collection[str], names: Collection[str]) -> Response:
    text = f"there is no part {', '.join(unknown)}: there are {', '.join(names)}"
    return JSONResponse({"error": text}, 404, _HEADERS)


def _iso(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="seconds")
