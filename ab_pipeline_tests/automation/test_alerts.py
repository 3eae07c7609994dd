"""Failed runs and checks are reported once, to the right people, whatever is down or lost meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from dagster import DagsterInstance, DagsterRunStatus, DefaultSensorStatus, SensorDefinition, build_sensor_context

from ab_pipeline.automation import alerts
from ab_pipeline.automation.alerts import Deliver, alert_sensors
from ab_pipeline.automation.slack import SlackChannel, slack_channel
from ab_pipeline.settings import Settings
from ab_pipeline_tests.automation.failing_runs import DEFINITIONS, SlackStandIn, run_refresh, slack_stand_in


@dataclass
class Desk:
    """The two sensors, ticked as the daemon does."""

    path: Path
    instance: DagsterInstance
    channel: Deliver | None = None
    severity: Literal["ERROR", "WARN"] = "ERROR"
    cursors: dict[str, str | None] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def tick(self) -> list[str]:
        """Why the sensors did what they did."""
        settings = Settings(alerts_path=self.path, alert_severity=self.severity, dagster_url="http://dagster.test/")
        return [self._tick(sensor) for sensor in alert_sensors(settings, self.channel or self.told.append)]

    def _tick(self, sensor: SensorDefinition) -> str:
        context = build_sensor_context(self.instance, self.cursors.get(sensor.name), definitions=DEFINITIONS)
        result = sensor.evaluate_tick(context)
        self.cursors[sensor.name] = result.cursor
        return result.skip_message or ""

    def look_back(self) -> None:
        """Let the next tick see every run, wherever the clock is."""
        self.cursors = dict.fromkeys(self.cursors, (datetime.now(UTC) - timedelta(hours=1)).isoformat())

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def outcomes(self) -> list[str]:
        return [line["outcome"] for line in self.lines()]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with DagsterInstance.ephemeral() as instance:
        yield Desk(tmp_path / "alerts" / "alerts.jsonl", instance)


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with slack_stand_in() as server:
        yield server


def channel_of(slack: SlackStandIn) -> SlackChannel:
    settings = Settings.model_validate({"slack_token": "xoxb-secret", "slack_channel": "#experiments"})
    channel = slack_channel(settings)
    assert channel
    channel.client.base_url = slack.url
    return channel


class Clock(datetime):
    """The time the sensors read; runs keep the real one."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz) + cls.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    monkeypatch.setattr(Clock, "ahead", timedelta())
    monkeypatch.setattr(alerts, "datetime", Clock)
    return Clock


def test_both_sensors_run_from_the_start() -> None:
    sensors = alert_sensors(Settings())
    assert [sensor.name for sensor in sensors] == ["run_failure_alerts", "check_failure_alerts"]
    assert {sensor.default_status for sensor in sensors} == {DefaultSensorStatus.RUNNING}


def test_a_failed_run_names_the_asset_its_owner_the_error_the_day_and_the_run(desk: Desk) -> None:
    run_id = run_refresh(desk.instance, error="\x1b[31mno such column\x1b[0m\nLINE 1: select")
    desk.tick()
    assert desk.told == [
        "ERROR: revenue failed in refresh, 2025-01-02\n"
        "Owner: team:experimentation\n"
        "> RuntimeError: no such column\n"
        "> LINE 1: select\n"
        f"http://dagster.test/runs/{run_id}"
    ]
    [line] = desk.lines()
    assert line["outcome"] == "sent"
    assert line["alert"]["link"] == f"http://dagster.test/runs/{run_id}"


def test_a_failed_check_of_a_successful_run_is_reported_with_its_failing_rows(desk: Desk) -> None:
    run_id = run_refresh(desk.instance, failed_check="ERROR")
    assert desk.instance.get_run_by_id(run_id).status == DagsterRunStatus.SUCCESS  # pyright: ignore[reportOptionalMemberAccess]
    desk.tick()
    assert desk.told == [
        "ERROR: revenue: is_positive failed in refresh, 2025-01-02\n"
        "Owner: team:experimentation\n"
        "Failing rows: 1,234\n"
        "> some of it is negative\n"
        f"http://dagster.test/runs/{run_id}"
    ]


def test_a_warning_is_reported_only_where_the_setting_asks_for_it(desk: Desk) -> None:
    run_refresh(desk.instance, failed_check="WARN")
    desk.tick()
    assert desk.told == []
    desk.severity = "WARN"
    desk.tick()
    assert [text.partition(":")[0] for text in desk.told] == ["WARN"]


def test_what_succeeds_is_not_reported(desk: Desk) -> None:
    run_refresh(desk.instance)
    assert desk.tick() == ["0 alerts sent; nothing waits"] * 2
    assert not desk.path.exists()


def test_a_run_whose_process_was_killed_is_reported(desk: Desk) -> None:
    run = desk.instance.create_run_for_job(DEFINITIONS.resolve_job_def("refresh"), status=DagsterRunStatus.STARTED)
    desk.instance.report_run_failed(run, "The run's process (host:17:1.5) ended without a word.")
    desk.tick()
    [text] = desk.told
    assert "> The run's process (host:17:1.5) ended without a word." in text


def test_the_same_failure_is_reported_once_a_day_and_counted(desk: Desk, clock: type[Clock]) -> None:
    for day in ("2025-01-02", "2025-01-02", "2025-01-03"):
        run_refresh(desk.instance, error=f"day {day} is broken", day=day)
        desk.tick()
    assert desk.outcomes() == ["sent", "held back", "held back"]
    clock.ahead = timedelta(hours=23, minutes=59)
    run_refresh(desk.instance, error="day 2025-01-04 is broken", day="2025-01-04")
    desk.look_back()
    desk.tick()
    assert len(desk.told) == 1
    clock.ahead = timedelta(hours=24, minutes=1)
    run_refresh(desk.instance, error="day 2025-01-05 is broken", day="2025-01-05")
    desk.look_back()
    desk.tick()
    assert len(desk.told) == 2
    assert "3 times more since it was last reported." in desk.told[1]
    clock.ahead = timedelta(hours=49)
    run_refresh(desk.instance, error="day 2025-01-06 is broken", day="2025-01-06")
    desk.look_back()
    desk.tick()
    assert len(desk.told) == 3
    assert "more since" not in desk.told[2]


def test_another_error_of_the_same_asset_is_another_failure(desk: Desk) -> None:
    run_refresh(desk.instance, error="no such column")
    run_refresh(desk.instance, error="disk full")
    desk.tick()
    assert len(desk.told) == 2


def test_many_runs_are_reported_in_one_tick(desk: Desk) -> None:
    for letter in "abcdefgh":
        run_refresh(desk.instance, error=letter)
    assert desk.tick()[0] == "8 alerts sent; nothing waits"


def test_without_cursor_or_file_a_failure_is_at_most_repeated(desk: Desk) -> None:
    run_refresh(desk.instance, error="boom")
    desk.tick()
    desk.cursors.clear()
    desk.tick()
    assert len(desk.told) == 1
    run_refresh(desk.instance, error="bang")
    desk.cursors.clear()
    desk.path.unlink()
    desk.tick()
    assert len(desk.told) == 3
    assert "bang" in desk.told[2]


def test_a_failure_while_no_sensor_ran_is_reported_later(desk: Desk) -> None:
    desk.tick()
    run_refresh(desk.instance, error="boom")
    desk.tick()
    assert len(desk.told) == 1


def test_slack_gets_the_alert_and_markup_in_it_is_text(desk: Desk, slack: SlackStandIn) -> None:
    desk.channel = channel_of(slack)
    run_refresh(desk.instance, error="a < b & <!channel>")
    desk.tick()
    [post] = slack.posts
    assert post["channel"] == "#experiments"
    assert "\n> RuntimeError: a &lt; b &amp; &lt;!channel&gt;\n" in post["text"]
    assert slack.tokens == {"Bearer xoxb-secret"}
    assert "xoxb-secret" not in desk.path.read_text()


def test_while_slack_refuses_the_file_has_the_alerts_and_slack_gets_them_later(desk: Desk, slack: SlackStandIn) -> None:
    desk.channel = channel_of(slack)
    slack.refusal = "invalid_auth"
    for error in ("first", "second"):
        run_refresh(desk.instance, error=error)
    reasons = desk.tick()
    assert "invalid_auth" in reasons[0]
    desk.tick()
    assert desk.outcomes() == ["undelivered", "undelivered"]
    # one try a tick
    assert slack.requests == 2
    slack.refusal = ""
    desk.tick()
    desk.tick()
    assert ["first" in text for text in slack.texts] == [True, False]
    assert "second" in slack.texts[1]


def test_slack_out_of_reach_loses_nothing_even_if_it_lasts_for_days(
    desk: Desk, slack: SlackStandIn, clock: type[Clock]
) -> None:
    channel = channel_of(slack)
    channel.client.base_url = "http://127.0.0.1:9/api/"
    desk.channel = channel
    desk.tick()
    run_refresh(desk.instance, error="boom")
    desk.tick()
    clock.ahead = timedelta(days=3)
    desk.tick()
    desk.channel = channel_of(slack)
    desk.tick()
    assert len(slack.posts) == 1
    assert desk.outcomes() == ["undelivered", "sent"]


def test_what_cannot_be_written_down_is_not_sent_again_and_again(desk: Desk) -> None:
    desk.path.parent.write_text("a file where the folder should be")
    run_refresh(desk.instance, error="boom")
    desk.tick()
    desk.cursors = {name: (datetime.now(UTC) + timedelta(minutes=2)).isoformat() for name in desk.cursors}
    desk.tick()
    assert len(desk.told) == 1


def test_a_line_that_a_crash_cut_off_is_passed_over(desk: Desk) -> None:
    run_refresh(desk.instance, error="boom")
    desk.tick()
    with desk.path.open("a") as file:
        file.write('\n{"at": "2025-')
    run_refresh(desk.instance, error="bang")
    desk.tick()
    desk.cursors.clear()
    desk.tick()
    assert len(desk.told) == 2


def test_slack_needs_both_settings() -> None:
    assert slack_channel(Settings()) is None
    with pytest.raises(ValueError, match="AB_PIPELINE_SLACK_CHANNEL"):
        Settings.model_validate({"slack_token": "xoxb-secret"})
