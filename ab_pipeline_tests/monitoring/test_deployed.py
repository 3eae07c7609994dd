"""What `deploy/monitoring` says, held against the tools that read it and against the names that the watch exports."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.watch.ended_runs import EndedRuns
from ab_pipeline.watch.metadata import Metadata
from ab_pipeline.watch.metrics import FAMILIES, PREFIX, FromMemory
from ab_pipeline.watch.part import Part, Sample, Seen, Watch
from ab_pipeline_tests.monitoring.debian import binaries

FOLDER = PROJECT_ROOT / "deploy" / "monitoring"
OF_RUNS = {"runs_total", *(f"{one}_seconds_{part}" for one in ("run", "step") for part in ("bucket", "sum", "count"))}


def queries() -> list[str]:
    """Every query of the dashboard."""
    panels = json.loads((FOLDER / "dashboard.json").read_bytes())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def rules() -> list[dict[str, str]]:
    groups = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_metric_that_is_asked_for_is_one_that_the_watch_exports() -> None:
    asked = " ".join([*queries(), *(rule["expr"] for rule in rules())])
    names = {name.removeprefix(PREFIX) for name in re.findall(rf"{PREFIX}\w+", asked)}
    assert names - FAMILIES.keys() - OF_RUNS == set()


def test_the_panels_lie_side_by_side() -> None:
    panels = [panel["gridPos"] for panel in json.loads((FOLDER / "dashboard.json").read_bytes())["panels"]]
    places = {(panel["x"], panel["y"]) for panel in panels}
    assert len(places) == len(panels)


def test_datadogs_agent_reads_the_same_endpoint() -> None:
    [instance] = yaml.safe_load((FOLDER / "datadog_openmetrics.yaml").read_text())["instances"]
    assert instance["openmetrics_endpoint"].endswith(":3001/metrics")
    assert instance["raw_metric_prefix"] == PREFIX


@pytest.fixture(scope="session")
def tools() -> Path:
    if (found := binaries()) is None:
        pytest.skip("Debian's packages are not to be had here")
    return found


def _run(command: list[str], text: str | None = None) -> None:
    done = subprocess.run(command, input=text, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.thorough
def test_their_own_tools_find_no_fault(tools: Path) -> None:
    promtool = str(tools / "promtool")
    _run([promtool, "check", "config", "prometheus.yml"])
    _run([promtool, "check", "rules", "rules.yml"])
    _run([promtool, "test", "rules", "rules_test.yml"])
    _run([str(tools / "amtool"), "check-config", "alertmanager.yml"])


@pytest.mark.thorough
def test_the_names_and_texts_of_all_metrics_are_as_prometheus_likes_them(tools: Path, tmp_path: Path) -> None:
    registry = CollectorRegistry()
    seen = Seen("", samples=[Sample(name, 1, {"of": "x"}) for name in FAMILIES if not name.startswith("component")])
    part = Part("x", lambda: seen, every=1)
    EndedRuns(Metadata(tmp_path), registry)
    registry.register(FromMemory(Watch([part])))
    part.look_once()
    _run([str(tools / "promtool"), "check", "metrics"], generate_latest(registry).decode())
