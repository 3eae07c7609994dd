"""The sensor that tells what is news of experiments, to each channel once."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dagster import DefaultSensorStatus, SensorDefinition, SensorEvaluationContext, SensorResult, sensor

from ab_pipeline.automation.channels import Deliver, Mail, channels
from ab_pipeline.automation.news import Told, news_of
from ab_pipeline.automation.slack import DeliveryError
from ab_pipeline.experiments.words import GATES
from ab_pipeline.maintenance.object_store import ObjectMissingError, StoreError, open_store
from ab_pipeline.readouts.pages import PROGRAMME, page_url
from ab_pipeline.settings import Settings

NEWS_SENSOR = "experiment_news"
_LOG = "log"
# a tick that takes longer than a minute is cancelled
_TICK_SECONDS = 30
Memory = dict[str, dict[str, dict[str, Any]]]


def news_sensor(settings: Settings, to: Mapping[str, Deliver] | None = None) -> SensorDefinition:
    """To the configured channels, or to others if given; to the log where there is none."""
    found = dict(channels(settings) if to is None else to)

    @sensor(
        name=NEWS_SENSOR,
        description="Tells an experiment's owner that its verdict changed, a gate began to fail or its end is reached.",
        minimum_interval_seconds=60,
        default_status=DefaultSensorStatus.RUNNING,
    )
    def news(context: SensorEvaluationContext) -> SensorResult:
        memory: Memory = json.loads(context.cursor) if context.cursor else {}
        try:
            programme = json.loads(open_store(settings.pages_location).get_bytes(PROGRAMME))
        except ObjectMissingError:
            return SensorResult(skip_reason="no read-out is written yet", cursor=context.cursor)
        except StoreError as error:
            return SensorResult(skip_reason=f"the pages cannot be read: {error}", cursor=context.cursor)
        sent, problems = 0, []
        for name, channel in (found or {_LOG: context.log.info}).items():
            told = memory.setdefault(name, {})
            try:
                sent += tell(programme["experiments"], told, channel, settings.dagster_url)
            except DeliveryError as error:
                # what was told is kept in the cursor, and the rest told with the next tick
                problems.append(f"{name}: {error}")
        reason = f"{sent} messages sent; {'; '.join(problems) or 'nothing waits'}"
        return SensorResult(skip_reason=reason, cursor=json.dumps(memory))

    return news


def tell(listed: list[dict[str, Any]], told: dict[str, dict[str, Any]], channel: Deliver, dagster_url: str) -> int:
    """Tell a channel what it was not told yet, and note it experiment by experiment; how many messages.

    Raises:
        DeliveryError: one did not arrive. What did is noted.
    """
    started, sent = time.monotonic(), 0
    for one in listed:
        if time.monotonic() - started > _TICK_SECONDS:
            raise DeliveryError("more with the next tick")
        name = one["experiment_id"]
        before = _told(told[name]) if name in told else None
        news = news_of(one, before, GATES, page_url(dagster_url, name))
        if news:
            deliver = channel.to(news.owner) if isinstance(channel, Mail) else channel
            deliver(news.text)
            sent += 1
        if one["verdict"] is not None:
            told[name] = asdict(Told.of(one))
    return sent


def _told(noted: Mapping[str, Any]) -> Told:
    return Told(noted["verdict"], tuple(noted["failing_gates"]), noted["is_over"])
