"""Every setting, typed, read from the environment and `.env`, and checked once at load."""

from __future__ import annotations

import datetime as dt
import os
import re
from functools import cache
from pathlib import Path
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parents[1]
ENV_PREFIX = "AB_PIPELINE_"


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

    backup_location: str = Field(default="data/backups", validate_default=True)
    backup_keep_daily: int = Field(default=7, ge=0)
    backup_keep_weekly: int = Field(default=4, ge=0)
    backup_keep_monthly: int = Field(default=6, ge=0)
    backup_warehouse: bool = False
    backup_key: SecretStr | None = None

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

    @field_validator("backup_location")
    @classmethod
    def _folder_or_s3(cls, location: str) -> str:
        if "://" in location and not location.startswith("s3://"):
            raise ValueError("backups are kept in a local folder or below s3://bucket/prefix")
        return location if location.startswith("s3://") else str(PROJECT_ROOT / Path(location).expanduser())

    @field_validator("backup_key")
    @classmethod
    def _fernet_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key and not re.fullmatch(r"[A-Za-z0-9_-]{43}=", key.get_secret_value()):
            # the sentence must not show it
            raise PydanticCustomError("secret", "it is not a key such as `ab-pipeline backup-key` prints")
        return key

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
    value = "..." if problem["type"] == "secret" else problem["input"]
    return f"{variable}={value}: {message}. See .env.example."
