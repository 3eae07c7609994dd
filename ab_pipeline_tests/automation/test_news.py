"""What is told of experiments, to whom, and that it is told once."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, build_sensor_context

from ab_pipeline.automation.channels import Mail, Webhook, channels, together
from ab_pipeline.automation.news import Told, news_of
from ab_pipeline.automation.news_sensor import news_sensor
from ab_pipeline.automation.slack import DeliveryError
from ab_pipeline.settings import Settings, SettingsError, load_settings
from ab_pipeline_tests.http_server import Asked, http_server

LINK = "http://x/experiments/checkout.html"
BEFORE = Told("keep running")


def listed(**changes: Any) -> dict[str, Any]:
    return {
        "experiment_id": "checkout",
        "name": "One-page checkout",
        "owner": "ann@example.com",
        "end_date": "2025-01-28",
        "as_of": "2025-01-14",
        "standing": "is running",
        "verdict": "keep running",
        "winner": None,
        "reasons": ["revenue of one_page: +25 %."],
        "failing_gates": [],
        **changes,
    }


SHIP = {"verdict": "ship", "winner": "one_page", "standing": "waits for a decision"}


def headlines(before: Told | None, **changes: Any) -> list[str]:
    news = news_of(listed(**changes), before, {"sample_ratio": "Sample ratio"}, LINK)
    return list(news.headlines) if news else []


def test_a_verdict_that_changes_a_gate_that_begins_to_fail_and_an_end_are_news() -> None:
    assert headlines(BEFORE, **SHIP) == ["One-page checkout: ship one_page, after keep running, as of 2025-01-14"]
    assert headlines(BEFORE, failing_gates=["sample_ratio"]) == [
        'One-page checkout: the gate "Sample ratio" begins to fail'
    ]
    assert headlines(BEFORE, as_of="2025-01-28") == [
        "One-page checkout: its planned end, 2025-01-28, is reached: keep running"
    ]
    assert len(headlines(BEFORE, **SHIP, as_of="2025-01-28", failing_gates=["sample_ratio"])) == 3


def test_what_is_as_it_was_is_no_news() -> None:
    assert headlines(BEFORE) == []
    assert headlines(Told("ship"), **SHIP, as_of="2025-01-15") == []
    assert headlines(Told("keep running", ("sample_ratio",)), failing_gates=["sample_ratio"]) == []
    # nor a gate that holds again
    assert headlines(Told("keep running", ("sample_ratio",))) == []


def test_of_a_new_experiment_only_what_asks_for_something_is_news() -> None:
    assert headlines(None) == []
    assert headlines(None, verdict=None, as_of=None) == []
    assert headlines(None, **SHIP) == ["One-page checkout: ship one_page, as of 2025-01-14"]
    assert headlines(None, **{**SHIP, "standing": "has ended"}, as_of="2025-01-28") == []


def test_a_message_has_the_sentence_the_owner_and_the_link() -> None:
    news = news_of(listed(**SHIP), BEFORE, {}, LINK)
    assert news
    assert news.text == (
        "One-page checkout: ship one_page, after keep running, as of 2025-01-14\n"
        "Owner: ann@example.com\n> revenue of one_page: +25 %.\nhttp://x/experiments/checkout.html"
    )


class Ticks:
    """The sensor, over the programme that a run would have written."""

    def __init__(self, folder: Path, **to: Any) -> None:
        self.settings = Settings(reports_location=str(folder))
        self.folder, self.to, self.cursor = folder, to, None

    def tick(self, *programme: dict[str, Any]) -> str:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "index.json").write_text(json.dumps({"version": 1, "experiments": list(programme)}))
        return self.look()

    def look(self) -> str:
        with DagsterInstance.ephemeral() as instance:
            result = news_sensor(self.settings, self.to)(build_sensor_context(instance, cursor=self.cursor))
        self.cursor = result.cursor  # type: ignore[union-attr]
        return str(result.skip_reason.skip_message)  # type: ignore[union-attr]


def test_each_channel_is_told_once_and_the_next_news_does_not_wait(tmp_path: Path) -> None:
    told: list[str] = []
    ticks = Ticks(tmp_path / "pages", told=told.append)
    assert ticks.look() == "no read-out is written yet"
    ticks.tick(listed())
    assert told == []
    assert ticks.tick(listed(**SHIP)) == "1 messages sent; nothing waits"
    assert ticks.look() == "0 messages sent; nothing waits"
    ticks.tick(listed(**SHIP, failing_gates=["sample_ratio"]))
    ticks.tick(listed(verdict="do not ship", failing_gates=["sample_ratio"]))
    assert [text.splitlines()[0].partition(": ")[2] for text in told] == [
        "ship one_page, after keep running, as of 2025-01-14",
        'the gate "Sample ratio" begins to fail',
        "do not ship, after ship, as of 2025-01-14",
    ]


def test_what_does_not_arrive_is_told_again_to_that_channel_alone(tmp_path: Path) -> None:
    told: list[str] = []
    is_down = True

    def flaky(text: str) -> None:
        if is_down:
            raise DeliveryError("out of reach")
        flaked.append(text)

    flaked: list[str] = []
    ticks = Ticks(tmp_path / "pages", good=told.append, flaky=flaky)
    ticks.tick(listed())
    assert "flaky: out of reach" in ticks.tick(listed(**SHIP))
    is_down = False
    ticks.look()
    ticks.look()
    assert (len(told), len(flaked)) == (1, 1)


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[bytes]]]:
    got: list[bytes] = []

    def answer(asked: Asked) -> tuple[int, bytes]:
        got.append(asked.body)
        return status, b""

    with http_server(answer) as url:
        yield f"{url}/hook/hunter2", got


def test_a_webhook_gets_the_text_and_a_refusal_is_a_sentence_without_its_address() -> None:
    with webhook() as (url, got):
        Webhook(url)("two\nlines")
    assert json.loads(got[0]) == {"text": "two\nlines"}
    with webhook(403) as (url, _), pytest.raises(DeliveryError, match=r"the webhook at 127.0.0.1: .*403") as error:
        Webhook(url)("x")
    assert "hunter2" not in str(error.value)
    with pytest.raises(DeliveryError, match=r"the webhook at 127.0.0.1: "):
        Webhook("http://127.0.0.1:9/hunter2")("x")


@contextmanager
def mail_server() -> Iterator[tuple[str, list[str]]]:
    """Enough of SMTP to take one message: each line that it was sent."""
    got: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rwb") as file:

            def say(line: str) -> None:
                file.write(f"{line}\r\n".encode())
                file.flush()

            say("220 mail")
            is_data = False
            for raw in file:
                line = raw.decode().rstrip("\r\n")
                got.append(line)
                if is_data:
                    if line == ".":
                        is_data = False
                        say("250 taken")
                elif line.upper() == "DATA":
                    is_data = True
                    say("354 go on")
                elif line.upper() == "QUIT":
                    say("221 bye")
                    return
                else:
                    say("250 good")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"smtp://127.0.0.1:{listening.getsockname()[1]}", got
    thread.join(10)
    listening.close()


def test_mail_of_an_experiment_goes_to_its_owner(tmp_path: Path) -> None:
    with mail_server() as (url, got):
        ticks = Ticks(tmp_path / "pages", mail=Mail(url, "ab@example.com", ("team@example.com",)))
        assert ticks.tick(listed(**SHIP)) == "1 messages sent; nothing waits"
    assert "rcpt TO:<ann@example.com>" in got
    assert "rcpt TO:<team@example.com>" not in got
    assert "Subject: One-page checkout: ship one_page, as of 2025-01-14" in got
    assert LINK.replace("x/", "127.0.0.1:3000/") in got


@pytest.mark.parametrize("owner", [None, "", "the checkout team", "a@b, c@d", "a@b\nBcc: c@d"])
def test_mail_of_an_experiment_without_such_an_owner_goes_to_all(owner: str | None) -> None:
    mail = Mail("smtp://127.0.0.1:9", "ab@example.com", ("team@example.com",))
    assert mail.to(owner) == mail


def test_a_mail_server_that_is_down_is_a_sentence_without_the_password() -> None:
    with pytest.raises(DeliveryError, match=r"the mail server 127.0.0.1: ") as error:
        Mail("smtp://ann:hunter2@127.0.0.1:9", "ab@example.com", ("team@example.com",))("x")
    assert "hunter2" not in str(error.value)


def test_one_channel_that_is_down_keeps_no_other_from_telling(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    def down(_: str) -> None:
        raise DeliveryError("out of reach")

    deliver = together({"good": told.append, "down": down})
    assert deliver
    deliver("x")
    assert told == ["x"]
    assert "out of reach" in caplog.text
    alone = together({"down": down})
    assert alone
    with pytest.raises(DeliveryError, match="out of reach"):
        alone("x")
    assert together({}) is None


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"ALERT_WEBHOOK": "hunter2"}, "AB_PIPELINE_ALERT_WEBHOOK=...: it is not of the form https://host/..."),
        ({"ALERT_SMTP": "https://hunter2"}, "AB_PIPELINE_ALERT_SMTP=...: it is not of the form smtps://host/..."),
        ({"ALERT_SMTP": "smtps://x:hunter2@y:port"}, "AB_PIPELINE_ALERT_SMTP=...: it is not of the form smtps://"),
        ({"ALERT_SMTP": "smtps://host"}, "need AB_PIPELINE_ALERT_MAIL_FROM, AB_PIPELINE_ALERT_MAIL_TO too"),
        ({"ALERT_MAIL_TO": "ann"}, "AB_PIPELINE_ALERT_MAIL_TO=ann: "),
    ],
)
def test_a_channel_that_is_configured_by_half_is_a_sentence(
    given: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(f"AB_PIPELINE_{name}", value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert sentence in str(error.value)
    assert "hunter2" not in str(error.value)


def test_every_channel_that_is_configured_is_one() -> None:
    settings = Settings.model_validate(
        {
            "slack_channel": "#ab",
            "slack_token": "xoxb-1",
            "alert_webhook": "https://hooks.example.com/x",
            "alert_smtp": "smtps://mail.example.com",
            "alert_mail_from": "ab@example.com",
            "alert_mail_to": "a@example.com, b@example.com",
        }
    )
    found = channels(settings)
    assert list(found) == ["slack", "webhook", "mail"]
    assert found["mail"] == Mail("smtps://mail.example.com", "ab@example.com", ("a@example.com", "b@example.com"))
