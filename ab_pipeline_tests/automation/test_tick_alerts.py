"""A sensor that cannot see is told of after ten minutes, once an outage. With ticks in a real instance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance, build_sensor_context
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from ab_pipeline.automation.sentences import BUSY
from ab_pipeline.automation.tick_alerts import failing_ticks, tick_alert_sensor
from ab_pipeline.settings import Settings
from ab_pipeline_tests.automation.failing_runs import DEFINITIONS

NOW = datetime.now(UTC)
ORIGIN = RemoteInstigatorOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("ab_pipeline.definitions"), "__repository__"), "raw_changes"
)
WHY = SerializableErrorInfo(
    "SensorExecutionError\n", [], None, SerializableErrorInfo("WarehouseError: it is damaged\n", [], None)
)
BAD, GOOD = TickStatus.FAILURE, TickStatus.SKIPPED


@pytest.fixture
def sensor_state(instance: DagsterInstance) -> InstigatorState:
    state = InstigatorState(
        ORIGIN, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, SensorInstigatorData(min_interval=4)
    )
    return instance.add_instigator_state(state)


def add_ticks(instance: DagsterInstance, *ticks: tuple[float, TickStatus, str]) -> None:
    """Each by minutes before now, status and reason; oldest first."""
    for minutes, status, reason in ticks:
        instance.create_tick(
            TickData(
                instigator_origin_id=ORIGIN.get_id(),
                instigator_name="raw_changes",
                instigator_type=InstigatorType.SENSOR,
                status=status,
                timestamp=(NOW - timedelta(minutes=minutes)).timestamp(),
                selector_id=ORIGIN.get_selector().get_id(),
                skip_reason=reason or None,
                error=WHY if status == BAD else None,
            )
        )


@pytest.mark.parametrize(
    ("ticks", "since"),
    [
        ([(12, GOOD, "x"), (9, BAD, ""), (1, BAD, "")], None),
        ([(12, GOOD, "x"), (11, BAD, ""), (1, BAD, "")], 11),
        ([(11, BAD, ""), (5, GOOD, "x"), (1, BAD, "")], None),
        ([(11, BAD, ""), (1, GOOD, "x")], None),
        ([(11, GOOD, f"{BUSY}: x"), (0, BAD, "")], 11),
        ([(11, BAD, ""), (0, GOOD, f"{BUSY}: x")], None),
        ([(11, BAD, ""), (5, GOOD, f"{BUSY}: x"), (0, BAD, "")], 11),
        ([], None),
    ],
    ids=["for nine minutes", "for eleven", "seen between", "seen again", "busy", "busy now", "both", "no tick"],
)
def test_ten_minutes_without_a_good_tick_are_an_alert(
    instance: DagsterInstance,
    sensor_state: InstigatorState,
    ticks: list[tuple[float, TickStatus, str]],
    since: int | None,
) -> None:
    add_ticks(instance, *ticks)
    found = [(alert.subject, alert.since) for alert in failing_ticks(instance, NOW)]
    expected = [] if since is None else [f"{NOW - timedelta(minutes=since):%Y-%m-%d %H:%M:%S} UTC"]
    assert found == [("sensor raw_changes", one) for one in expected]


def test_a_sensor_that_somebody_stopped_is_left_alone(instance: DagsterInstance, sensor_state: InstigatorState) -> None:
    add_ticks(instance, (11, BAD, ""))
    instance.update_instigator_state(sensor_state.with_status(InstigatorStatus.STOPPED))
    assert failing_ticks(instance, NOW) == []


def test_each_outage_is_told_once_with_the_cause(
    instance: DagsterInstance, sensor_state: InstigatorState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the module may have been imported long ago
    monkeypatch.setitem(globals(), "NOW", datetime.now(UTC))
    told: list[str] = []
    settings = Settings(alerts_path=tmp_path / "alerts.jsonl", dagster_url="http://dagster.test/")

    def tick() -> None:
        sensor = tick_alert_sensor(settings, told.append)
        sensor.evaluate_tick(build_sensor_context(instance, None, definitions=DEFINITIONS))

    add_ticks(instance, (30, BAD, ""), (1, BAD, ""))
    tick()
    tick()
    since = f"{NOW - timedelta(minutes=30):%Y-%m-%d %H:%M:%S} UTC"
    assert told == [
        f"ERROR: sensor raw_changes has failed since {since}\n"
        "> WarehouseError: it is damaged\nhttp://dagster.test/automation"
    ]
    add_ticks(instance, (0.5, GOOD, "x"), (0, BAD, ""))
    tick()
    assert len(told) == 1, "the next outage has only begun"
    assert len(failing_ticks(instance, NOW + timedelta(minutes=11))) == 1
