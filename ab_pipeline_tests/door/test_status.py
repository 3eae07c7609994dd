"""/status: the watch's facts, for people who are logged in."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from ab_pipeline.door.roles import Role
from ab_pipeline.watch.part import Part, Seen, Watch
from ab_pipeline.watch.server import answers
from ab_pipeline_tests.door.doors import empty_door
from ab_pipeline_tests.door.served import free_port

pytestmark = pytest.mark.slow


@contextmanager
def _watch(*parts: Part) -> Iterator[str]:
    for part in parts:
        part.look_once()
    port = free_port()
    config = uvicorn.Config(answers(Watch(parts), CollectorRegistry()), "127.0.0.1", port, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def test_a_part_that_is_down_comes_first_and_its_words_are_no_markup(tmp_path: Path) -> None:
    good = Part("disk", lambda: Seen("9 GB left"), every=1)
    bad = Part("metadata_database", lambda: Seen("", problem="<b>gone</b>"), every=1)
    with _watch(good, bad) as url, empty_door(tmp_path / "home", watch_url=url) as front:
        assert front.client().get("/status").status_code in (303, 401)
        answer = front.logged_in(Role.VIEWER).get("/status")
    assert answer.status_code == 200
    assert "<h1" in answer.text
    assert "metadata database down" in answer.text
    assert answer.text.index("&lt;b&gt;gone&lt;/b&gt;") < answer.text.index("9 GB left")
    assert "width=device-width" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_watch_that_is_silent_is_said(tmp_path: Path) -> None:
    with empty_door(tmp_path / "home", watch_url="http://127.0.0.1:1") as front:
        assert "The watch is silent" in front.logged_in(Role.VIEWER).get("/status").text
