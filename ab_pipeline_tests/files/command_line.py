"""Commands as a person types them, in a folder and with a warehouse of their own."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import duckdb
from click.testing import CliRunner

from ab_pipeline.cli import main
from ab_pipeline.settings import ENV_PREFIX, Settings, get_settings


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    text: str
    code: int


def typed(line: str, folder: Path, **variables: str) -> Answer:
    """Run `ab-pipeline ...`; files are looked for in the folder, where the warehouse is too."""
    settings = {ENV_PREFIX + name: value for name, value in variables.items()}
    here = Path.cwd()
    with mock.patch.dict(os.environ), mock.patch.dict(Settings.model_config, {"env_file": None}):
        for name in Settings.model_fields:
            os.environ.pop(ENV_PREFIX + name.upper(), None)
        os.environ.update({f"{ENV_PREFIX}DUCKDB_PATH": str(folder / "w.duckdb"), **settings})
        get_settings.cache_clear()
        os.chdir(folder)
        try:
            result = CliRunner().invoke(main, shlex.split(line))
        finally:
            os.chdir(here)
            get_settings.cache_clear()
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Answer(result.output, result.exit_code)


def loaded(folder: Path, columns: str = "*", table: str = "user_event") -> list[tuple]:
    """What is in a raw table of the folder's warehouse."""
    with duckdb.connect(folder / "w.duckdb") as connection:
        return connection.execute(f"select {columns} from raw_data.{table} order by all").fetchall()
