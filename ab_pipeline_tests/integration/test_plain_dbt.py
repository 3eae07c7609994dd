"""dbt alone, from dbt_project/, for someone who never opens Dagster."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from ab_pipeline.paths import PROJECT_DIR, PROJECT_ROOT
from ab_pipeline_tests.dbt_warehouse import DbtWarehouse
from ab_pipeline_tests.integration.history import add_history, is_as_mandated


def dbt(command: str, folder: Path) -> str:
    process = subprocess.run(
        [str(PROJECT_ROOT / ".venv/bin/dbt"), *command.split(), "--target-path", folder, "--log-path", folder],
        cwd=PROJECT_DIR,
        env=os.environ.copy(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout
    return process.stdout


def test_build_builds_tests_and_describes_everything_without_a_warning(warehouse: DbtWarehouse, tmp_path: Path) -> None:
    add_history(warehouse)
    *_, last_line = dbt("build --no-use-colors", tmp_path).splitlines()
    assert "WARN=0 ERROR=0 SKIP=0" in last_line
    assert is_as_mandated(warehouse)

    # the unit tests have days of their own
    window = "--event-time-start 2025-01-03 --event-time-end 2025-01-04"
    assert "ERROR=0" in dbt(f"build --no-use-colors --select analytics_variant_user_daily {window}", tmp_path)

    dbt("docs generate", tmp_path)
    catalog = json.loads((tmp_path / "catalog.json").read_bytes())
    names = {unique_id.split(".")[-1] for unique_id in catalog["nodes"] | catalog["sources"]}
    assert names >= {"user_event", "dim_user", "fact_user_event", "analytics_variant_user_daily"}
    assert not catalog["errors"]
