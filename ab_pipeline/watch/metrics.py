"""The names that Prometheus and Datadog read. Times are times and no ages: an age that nobody renews looks young."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ab_pipeline.watch.part import Status, Watch

PREFIX = "ab_pipeline_"
FAMILIES = {
    "component_up": "Whether a part of the installation is as it should be; 0 also where that is not known.",
    "component_looked_at_timestamp_seconds": "When it was last looked at.",
    "daemon_heartbeat_timestamp_seconds": "The newest beat of each kind of Dagster's daemon.",
    "daemon_standbys": "Daemons that wait for the lock of the one that leads.",
    "sensor_tick_timestamp_seconds": "When a sensor last looked.",
    "sensor_tick_failed": "Whether its newest look failed.",
    "schedule_due_timestamp_seconds": "When a schedule starts next, or should have.",
    "runs": "Runs that wait or work, by status.",
    "queued_since_timestamp_seconds": "Since when the oldest run that waits has waited.",
    "partitions_due": "Days whose raw rows are not those that they were built from.",
    "partitions_due_since_timestamp_seconds": "Since when there has been such a day.",
    "newest_raw_day_timestamp_seconds": "The beginning of the newest day with raw events.",
    "asset_built_timestamp_seconds": "When an asset was last built.",
    "check_passed": "Whether the newest evaluation of an asset check passed.",
    "gate_failing": "A gate of an experiment that fails.",
    "verdict": "What the newest read-out of an experiment says.",
    "model_seconds": "How long dbt took for a model in its newest refresh.",
    "model_rows": "Rows of a model after its newest refresh.",
    "warehouse_bytes": "Size of the DuckDB file.",
    "warehouse_written_timestamp_seconds": "When the DuckDB file was last written.",
    "storage_bytes": "What Dagster and its runs keep.",
    "disk_free_bytes": "What is left on the disk of a folder.",
    "backup_timestamp_seconds": "When the newest backup was made.",
    "backup_verified_timestamp_seconds": "When the newest verified backup was made.",
    "certificate_end_timestamp_seconds": "When a certificate ends.",
}


@dataclass(eq=False)
class FromMemory(Collector):
    """What the newest looks saw."""

    watch: Watch

    def collect(self) -> Iterator[Metric]:
        """Without a look of its own."""
        families: dict[str, GaugeMetricFamily] = {}

        def add(name: str, labels: dict[str, str], value: float) -> None:
            if name not in families:
                families[name] = GaugeMetricFamily(PREFIX + name, FAMILIES[name], labels=list(labels))
            families[name].add_metric(list(labels.values()), value)

        for name, reading in self.watch.readings(time.time()).items():
            add("component_up", {"component": name}, float(reading.status == Status.UP))
            if reading.at:
                add("component_looked_at_timestamp_seconds", {"component": name}, reading.at)
        for part in self.watch.parts:
            for sample in part.samples:
                add(sample.name, dict(sample.labels), sample.value)
        yield from families.values()
