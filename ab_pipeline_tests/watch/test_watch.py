"""The watch in this process: parts that hang, what is answered, who is told."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dagster import DagsterInstance
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from ab_pipeline.automation.alert import Outcome
from ab_pipeline.automation.alert_file import AlertFile
from ab_pipeline.automation.slack import DeliveryError
from ab_pipeline.settings import Settings
from ab_pipeline.watch.messages import Messages
from ab_pipeline.watch.metrics import FAMILIES, FromMemory
from ab_pipeline.watch.part import Part, Reading, Sample, Seen, Status, Watch
from ab_pipeline.watch.ping import Ping
from ab_pipeline.watch.run import METADATA, Watching, watch_of
from ab_pipeline.watch.server import answers
from ab_pipeline_tests.doctor.place import beat, make_home
from ab_pipeline_tests.http_server import Asked, http_server

UP, DOWN, UNKNOWN = Status.UP, Status.DOWN, Status.UNKNOWN


def _well() -> Seen:
    return Seen("well")


def _ill() -> Seen:
    raise RuntimeError("ill")


# parts


def test_a_part_that_hangs_is_down_and_keeps_no_other_from_being_seen() -> None:
    hang, stop = threading.Event(), threading.Event()
    slow = Part("slow", lambda: (hang.wait(30), Seen("at last"))[1], every=0.01, patience=0.2)
    quick = Part("quick", _well, every=0.01)
    watch = Watch([slow, quick])
    try:
        watch.start(stop)
        time.sleep(0.05)
        assert watch.readings(time.time())["slow"].status == UNKNOWN
        time.sleep(0.4)
        readings = watch.readings(time.time())
        assert (readings["slow"].status, readings["quick"].status) == (DOWN, UP)
        assert readings["slow"].says.startswith("no answer for")
        hang.set()
        time.sleep(0.3)
        assert watch.readings(time.time())["slow"].status == UP
    finally:
        hang.set()
        stop.set()


def test_what_is_looked_at_through_a_part_that_is_down_is_unknown() -> None:
    database, daemon = Part("database", _ill, every=1), Part("daemon", _ill, every=1, needs="database")
    for part in (database, daemon):
        part.look_once()
    readings = Watch([database, daemon]).readings(time.time())
    assert (readings["database"].status, readings["daemon"].status) == (DOWN, UNKNOWN)
    assert readings["database"].says == "ill"


def test_what_needs_another_part_is_first_looked_at_when_that_is_up() -> None:
    is_open, stop, looks = threading.Event(), threading.Event(), []

    def look() -> Seen:
        looks.append(is_open.is_set())
        return Seen("")

    database = Part("database", lambda: Seen("", None if is_open.is_set() else "closed"), every=0.01)
    # once an hour: a first look in vain would be its word for an hour
    Watch([database, Part("storage", look, every=3600, needs="database")]).start(stop)
    time.sleep(0.2)
    is_open.set()
    time.sleep(1)
    stop.set()
    assert looks == [True]


def test_an_outage_has_the_time_of_its_first_look() -> None:
    part = Part("x", _ill, every=1)
    part.look_once()
    since = part.reading(time.time()).since
    time.sleep(0.02)
    part.look_once()
    assert part.reading(time.time()).since == since
    part.look = _well
    part.look_once()
    assert part.reading(time.time()).since > since


# answers


def test_what_fails_is_named_with_its_time_and_may_be_left_out() -> None:
    good, bad = Part("disk", _well, every=1), Part("backup", _ill, every=1)
    for part in (good, bad):
        part.look_once()
    client = TestClient(answers(Watch([good, bad]), CollectorRegistry()))
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["failing"]) == (503, ["backup"])
    assert answer.json()["components"]["backup"]["says"] == "ill"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*\+00:00", answer.json()["components"]["backup"]["since"])
    assert client.get("/readyz?exclude=backup").status_code == 200
    assert client.get("/readyz?exclude=disk,backup").status_code == 200
    assert client.get("/readyz/disk").status_code == 200
    assert client.get("/readyz/backup").status_code == 503
    assert client.get("/healthz").text == "ok"
    assert client.get("/readyz/bakcup").status_code == 404
    assert "there is no part bakcup" in client.get("/readyz?exclude=bakcup").json()["error"]


def test_metrics_are_prometheus_text_with_known_names_that_it_likes() -> None:
    registry = CollectorRegistry()
    part = Part("daemon", lambda: Seen("", samples=[Sample("partitions_due", 3)]), every=1)
    registry.register(FromMemory(Watch([part])))
    part.look_once()
    found = {family.name: family for family in text_string_to_metric_families(generate_latest(registry).decode())}
    assert found["ab_pipeline_partitions_due"].samples[0].value == 3
    assert found["ab_pipeline_component_up"].samples[0].labels == {"component": "daemon"}
    # promtool refuses a gauge that is called like a counter or a histogram's part
    assert [name for name in FAMILIES if re.search(r"_(count|sum|bucket|total)$|_ago$|_age", name)] == []


# messages


def _reading(status: Status, since: float, says: str = "it says so") -> dict[str, Reading]:
    return {"daemon": Reading(status, says, since, since)}


def _messages(folder: Path, said: list[str]) -> Messages:
    return Messages(folder / "watch.json", AlertFile(folder / "alerts.jsonl"), said.append, "http://here")


def test_an_outage_of_a_minute_is_told_once_and_its_end_once_and_the_next_again(tmp_path: Path) -> None:
    said: list[str] = []
    messages = _messages(tmp_path, said)
    for now in (1000, 1059):
        messages.tell(_reading(DOWN, 1000), now)
    assert said == []
    for now in (1060, 1065, 5000):
        messages.tell(_reading(DOWN, 1000), now)
    assert [one.splitlines()[0] for one in said] == ["DOWN: daemon since 1970-01-01 00:16:40 UTC"]
    # one that starts again knows what was told, and tells the end
    messages = _messages(tmp_path, said)
    messages.tell(_reading(UNKNOWN, 5001), 5002)
    messages.tell(_reading(DOWN, 5003), 5100)
    assert len(said) == 1
    for now in (5200, 5300):
        messages.tell(_reading(UP, 5200), now)
    assert [one.splitlines()[0] for one in said[1:]] == ["UP: daemon is back after 70 minutes"]
    messages.tell(_reading(DOWN, 5400), 5460)
    assert len(said) == 3
    outcomes = [(record.outcome, record.alert["severity"]) for record in messages.alerts.records()]
    assert outcomes == [(Outcome.SENT, "ERROR"), (Outcome.SENT, "RECOVERED"), (Outcome.SENT, "ERROR")]


def test_what_is_down_for_less_than_a_minute_is_nobodys_business(tmp_path: Path) -> None:
    said: list[str] = []
    messages = _messages(tmp_path, said)
    messages.tell(_reading(DOWN, 1000), 1050)
    messages.tell(_reading(UP, 1055), 1100)
    assert said == []


def test_what_is_not_delivered_is_tried_again_and_written_down_once(tmp_path: Path) -> None:
    said: list[str] = []
    messages = _messages(tmp_path, said)

    def refuse(_text: str) -> None:
        raise DeliveryError("Slack is down")

    messages.deliver = refuse
    for now in (1060, 1065, 1070):
        messages.tell(_reading(DOWN, 1000), now)
    assert [record.outcome for record in messages.alerts.records()] == [Outcome.UNDELIVERED]
    messages.deliver = said.append
    messages.tell(_reading(DOWN, 1000), 1075)
    assert len(said) == 1
    assert [record.outcome for record in messages.alerts.records()] == [Outcome.UNDELIVERED, Outcome.SENT]


# ping


@contextmanager
def _somewhere() -> Iterator[tuple[str, list[tuple[str, str, str]]]]:
    asked: list[tuple[str, str, str]] = []

    def answer(one: Asked) -> tuple[int, bytes]:
        asked.append((one.method, one.path, one.body.decode()))
        return 200, b""

    with http_server(answer) as url:
        yield f"{url}/abc?rid=1", asked


def test_the_address_elsewhere_is_asked_while_all_is_well_and_told_what_is_not() -> None:
    with _somewhere() as (url, asked):
        Ping(url)(_reading(UP, 1))
        Ping(url)(_reading(DOWN, 1, "silent"))
    assert asked == [("GET", "/abc?rid=1", ""), ("POST", "/abc/fail?rid=1", "daemon: silent")]
    # one that does not answer is no failure of ours
    Ping("http://127.0.0.1:1/x")(_reading(UP, 1))


# a real Dagster


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Watch, Path, CollectorRegistry]:
    folder = tmp_path_factory.mktemp("watched")
    make_home(folder / "home")
    settings = Settings.model_validate(
        {
            "duckdb_path": folder / "warehouse.duckdb",
            "alerts_path": folder / "alerts.jsonl",
            "backup_location": str(folder / "backups"),
            "dagster_url": "http://127.0.0.1:1",
        }
    )
    (folder / "warehouse.duckdb").write_bytes(b"nobody may open this")
    registry = CollectorRegistry()
    return watch_of(settings, folder / "home", Watching(), registry), folder, registry


def test_every_part_of_a_real_dagster_is_looked_at(watched: tuple[Watch, Path, CollectorRegistry]) -> None:
    watch, _, registry = watched
    for part in watch.parts:
        part.look_once()
    readings = watch.readings(time.time())
    assert {name: one.says for name, one in readings.items() if one.status != UP}.keys() == {"web"}
    text = generate_latest(registry).decode()
    assert 'ab_pipeline_daemon_heartbeat_timestamp_seconds{daemon="SENSOR"}' in text
    assert 'ab_pipeline_component_up{component="web"} 0.0' in text
    assert "ab_pipeline_disk_free_bytes" in text


def test_a_daemon_that_is_silent_is_named(watched: tuple[Watch, Path, CollectorRegistry]) -> None:
    watch, folder, _ = watched
    parts = {part.name: part for part in watch.parts}
    parts[METADATA].look_once()
    with DagsterInstance.from_config(str(folder / "home")) as instance:
        beat(instance, age=400)
        assert "SENSOR since" in str(parts["daemon"].look_once().problem)
        beat(instance)
        assert parts["daemon"].look_once().problem is None


def test_a_dagster_that_has_not_run_is_down_and_looking_makes_nothing(tmp_path: Path) -> None:
    settings = Settings.model_validate({"duckdb_path": tmp_path / "x", "backup_location": str(tmp_path / "b")})
    watch = watch_of(settings, tmp_path, Watching(), CollectorRegistry())
    for part in watch.parts:
        part.look_once()
    readings = watch.readings(time.time())
    assert readings[METADATA].status == DOWN
    assert readings["daemon"].status == UNKNOWN
    assert list(tmp_path.iterdir()) == []


def test_a_state_file_that_is_damaged_counts_as_none(tmp_path: Path) -> None:
    said: list[str] = []
    for content in ("{", "[1]", json.dumps({"daemon": "x"})):
        (tmp_path / "watch.json").write_text(content)
        _messages(tmp_path, said).tell(_reading(DOWN, 1000), 1060)
    assert len(said) == 3
