"""Every setting, typed, read from the environment and `.env`, and checked once at load."""

from __future__ import annotations

import datetime as dt
import os
from functools import cache
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ByteSize, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parents[1]
ENV_PREFIX = "AB_PIPELINE_"


_FINISHED_STATUSES = ("SUCCESS", "FAILURE", "CANCELED")


class SettingsError(Exception):
    """A setting is missing or wrong. The message says which, and what to do."""


class Settings(BaseSettings):
    """The whole configuration. `.env.example` documents each name for the reader."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_file=PROJECT_ROOT / ".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    target: Literal["local", "redshift"] = "local"
    duckdb_path: Path = PROJECT_ROOT / "data" / "warehouse.duckdb"
    duckdb_memory_limit: str = "80%"
    start_date: dt.date = dt.date(2025, 1, 1)
    timezone: str = "UTC"
    lookback_days: int = Field(default=3, ge=0)
    max_days_per_run: int = Field(default=400, ge=1)

    alert_severity: Literal["ERROR", "WARN"] = "ERROR"
    alerts_path: Path = PROJECT_ROOT / "data" / "alerts.jsonl"
    dagster_url: str = Field(default="http://127.0.0.1:3000", pattern=r"^https?://\S+$")
    freshness_deadline_hour: int = Field(default=9, ge=5, le=23)
    slack_channel: str | None = None
    slack_token: SecretStr | None = None

    cleanup_keep_days: int = Field(default=30, ge=3)
    cleanup_keep_days_by_status: str = "FAILURE=90"
    cleanup_keep_days_by_job: str = ""
    cleanup_min_runs_per_job: int = Field(default=10, ge=1)
    cleanup_start_at: ByteSize | None = None
    cleanup_stop_at: ByteSize | None = None
    archive_location: str = "data/archive"
    archive_keep_days: int = Field(default=400, ge=1)

    redshift_host: str | None = None
    redshift_port: int = 5439
    redshift_database: str | None = None
    redshift_user: str | None = None
    redshift_password: SecretStr | None = None

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin") from error
        return name

    @field_validator("duckdb_path", "alerts_path")
    @classmethod
    def _relative_to_the_project(cls, path: Path) -> Path:
        # dbt, Dagster and the CLI start in different folders and must open the same file.
        return PROJECT_ROOT / path.expanduser()

    @field_validator("cleanup_keep_days_by_status")
    @classmethod
    def _days_of_finished_statuses(cls, text: str) -> str:
        if unknown := days_by_name(text).keys() - _FINISHED_STATUSES:
            raise ValueError(f"{', '.join(sorted(unknown))}: choose from {', '.join(_FINISHED_STATUSES)}")
        return text

    @field_validator("cleanup_keep_days_by_job")
    @classmethod
    def _days_of_jobs(cls, text: str) -> str:
        days_by_name(text)
        return text

    @model_validator(mode="after")
    def _marks_are_two_and_in_order(self) -> Self:
        start, stop = self.cleanup_start_at, self.cleanup_stop_at
        if (start is None) != (stop is None) or (start is not None and stop is not None and stop >= start):
            raise ValueError(
                f"{ENV_PREFIX}CLEANUP_START_AT={start} and {ENV_PREFIX}CLEANUP_STOP_AT={stop}:"
                " set both, the second below the first, or neither"
            )
        return self

    @model_validator(mode="after")
    def _archive_outlives_runs(self) -> Self:
        by_name = {**days_by_name(self.cleanup_keep_days_by_status), **days_by_name(self.cleanup_keep_days_by_job)}
        longest = max([self.cleanup_keep_days, *by_name.values()])
        if self.archive_keep_days <= longest:
            raise ValueError(
                f"{ENV_PREFIX}ARCHIVE_KEEP_DAYS={self.archive_keep_days}: runs that are kept {longest} days would never"
                " be in the archive; both count from a run's end"
            )
        return self

    @model_validator(mode="after")
    def _redshift_needs_credentials(self) -> Self:
        if self.target == "redshift":
            names = ("redshift_host", "redshift_database", "redshift_user", "redshift_password")
            missing = [f"{ENV_PREFIX}{name.upper()}" for name in names if not getattr(self, name)]
            if missing:
                raise ValueError(f"target redshift needs {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _slack_needs_both(self) -> Self:
        if bool(self.slack_token) != bool(self.slack_channel):
            missing = "slack_channel" if self.slack_token else "slack_token"
            raise ValueError(f"alerts to Slack need {ENV_PREFIX}{missing.upper()} too")
        return self

    @property
    def database(self) -> str | None:
        """The database that relations are in, as dbt names it: for DuckDB the stem of the file."""
        return self.duckdb_path.stem if self.target == "local" else self.redshift_database

    def dbt_environment(self) -> dict[str, str]:
        """What `dbt_project/profiles.yml` and the macros read, as environment variables."""
        return {
            f"{ENV_PREFIX}{name.upper()}": (value.get_secret_value() if isinstance(value, SecretStr) else str(value))
            for name, value in self
            if value is not None
        }


def days_by_name(text: str) -> dict[str, int]:
    """What `FAILURE=90, CANCELED=7` says.

    Raises:
        ValueError: it says something else, or less than three days.
    """
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    for name, _, days in pairs:
        if not name.strip() or not days.strip().isdecimal() or int(days) < 3:
            raise ValueError("write NAME=DAYS, separated by commas, with three days at the least")
    return {name.strip(): int(days) for name, _, days in pairs}


def load_settings() -> Settings:
    """Read and check the settings afresh.

    Raises:
        SettingsError: one line per wrong setting, each naming the variable and its value.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [_sentence(dict(problem)) for problem in error.errors()]
        raise SettingsError("\n".join(lines)) from None


@cache
def get_settings() -> Settings:
    """The settings of this process, also exported to the environment that dbt reads."""
    settings = load_settings()
    os.environ.update(settings.dbt_environment())
    return settings


def _sentence(problem: dict) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:
        return f"{message}: set it in the environment or in {PROJECT_ROOT / '.env'}."
    variable = f"{ENV_PREFIX}{str(problem['loc'][0]).upper()}"
    return f"{variable}={problem['input']}: {message}. See .env.example."
