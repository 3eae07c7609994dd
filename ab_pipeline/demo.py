"""The demo: a sample that ended yesterday, with a registry and a DAGSTER_HOME of its own, apart from anybody's data."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from dotenv import dotenv_values

from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.sample_data.experiments import LAST_DAY
from ab_pipeline.sample_data.spec import SampleSpec
from ab_pipeline.settings import ENV_PREFIX, Settings, sources

FOLDER = PROJECT_ROOT / "data" / "demo"
WAREHOUSE = FOLDER / "demo.duckdb"
REGISTRY = FOLDER / "registry"
_SETTINGS = FOLDER / "settings.env"
_HOME = "DAGSTER_HOME"
# where `make` and the commands have it unless somebody says otherwise
_USUAL_HOME = PROJECT_ROOT / ".dagster"


def spec_of(today: dt.date) -> SampleSpec:
    """The sample that ends the day before, its experiments as far before as they always are."""
    return ending(today - dt.timedelta(days=1))


def ending(day: dt.date) -> SampleSpec:
    """The sample whose newest day it is."""
    return SampleSpec(end_date=day, moved_by=day - LAST_DAY)


def write_settings(spec: SampleSpec) -> dict[str, str]:
    """The environment of the demo, kept for the commands that come later."""
    environment = {
        f"{ENV_PREFIX}TARGET": "local",
        f"{ENV_PREFIX}DUCKDB_PATH": str(WAREHOUSE),
        f"{ENV_PREFIX}REGISTRY": str(REGISTRY),
        f"{ENV_PREFIX}START_DATE": str(spec.first_day),
        f"{ENV_PREFIX}ALERTS_PATH": str(FOLDER / "alerts.jsonl"),
        _HOME: str(FOLDER / "dagster"),
    }
    FOLDER.mkdir(parents=True, exist_ok=True)
    _SETTINGS.write_text("".join(f"{name}={value}\n" for name, value in environment.items()))
    return environment


def is_there() -> bool:
    """Whether `make demo` has made it."""
    return _SETTINGS.exists() and WAREHOUSE.exists()


def is_all_there_is() -> bool:
    """Whether there is the demo and nothing else: no setting, no warehouse of one's own, no DAGSTER_HOME elsewhere."""
    own = Settings.model_fields["duckdb_path"].default
    home = os.environ.get(_HOME)
    return is_there() and not sources() and not own.exists() and (not home or Path(home) == _USUAL_HOME)


def use() -> None:
    """Let this process, and those that it starts, work on the demo."""
    os.environ.update({name: value for name, value in dotenv_values(_SETTINGS).items() if value})
