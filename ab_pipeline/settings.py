"""Every setting, typed, read from the environment and `.env`, and checked once at load."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv import dotenv_values
from pydantic import ByteSize, Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ab_pipeline.errors import UserError
from ab_pipeline.paths import ENV_FILE, PROJECT_ROOT, REGISTRY

ENV_PREFIX = "AB_PIPELINE_"


_IDENTIFIER = r"^[a-z_][a-z0-9_]{0,126}$"
_READERS = r"^\s*((user|group|role):[\w.@-]+(\s*,\s*|\s*$))*$"
_FINISHED_STATUSES = ("SUCCESS", "FAILURE", "CANCELED")
_RENAMED = {"REPORTS_PATH": "REPORTS_LOCATION"}
_FULL_LOOKS_AT_REDSHIFT = 12.0
# what Kubernetes and Docker tell of services that happen to be called ab-pipeline-...
_INJECTED = re.compile(r"(.+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")
_NEAR = 0.75
ROLES = ("viewer", "launcher", "editor", "admin")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class SettingsError(UserError):
    """A setting is missing or wrong. The message says which, and what to do."""


class _Schemas(BaseSettings):
    """The two names that modules need while they are imported, when an error could not be one sentence yet.

    `Settings` checks them.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    raw_schema: str = "raw_data"
    built_schema: str = "analytics"


SCHEMAS = _Schemas()


class Settings(BaseSettings):
    """The whole configuration. `.env.example` documents each name for the reader."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_file=ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    target: Literal["local", "redshift"] = "local"
    duckdb_path: Path = PROJECT_ROOT / "data" / "warehouse.duckdb"
    duckdb_memory_limit: str = "80%"
    registry: Path = REGISTRY
    start_date: dt.date = dt.date(2025, 1, 1)
    timezone: str = "UTC"
    lookback_days: int = Field(default=3, ge=0)
    sensor_seconds: int | None = Field(default=None, ge=1)
    full_looks_per_hour: float | None = Field(default=None, gt=0)
    max_days_per_run: int = Field(default=400, ge=1)

    alert_severity: Literal["ERROR", "WARN"] = "ERROR"
    alerts_path: Path = PROJECT_ROOT / "data" / "alerts.jsonl"
    reports_location: str | None = None
    dagster_url: str = Field(default="http://127.0.0.1:3000", pattern=r"^https?://\S+$")
    token: SecretStr | None = None
    freshness_deadline_hour: int = Field(default=9, ge=5, le=23)
    slack_channel: str | None = None
    slack_token: SecretStr | None = None
    alert_webhook: SecretStr | None = None
    alert_smtp: SecretStr | None = None
    alert_mail_from: str | None = Field(default=None, pattern=r"^[^\r\n]+@[^\r\n]+$")
    alert_mail_to: str | None = Field(default=None, pattern=r"^[^@\s,]+@[^@\s,]+(\s*,\s*[^@\s,]+@[^@\s,]+)*$")

    ping_url: SecretStr | None = None
    watch_url: str = Field(default="http://127.0.0.1:3001", pattern=r"^https?://\S+$")

    accounts_path: Path = PROJECT_ROOT / "data" / "accounts.json"
    session_secret: SecretStr | None = None
    proxy_addresses: str = ""
    oidc_issuer: str | None = Field(default=None, pattern=r"^https?://\S+$")
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_groups_claim: str = "groups"
    oidc_roles: str = ""

    raw_schema: str = Field(default="raw_data", pattern=_IDENTIFIER)
    built_schema: str = Field(default="analytics", pattern=_IDENTIFIER)
    cleanup_keep_days: int = Field(default=30, ge=3)
    cleanup_keep_days_by_status: str = "FAILURE=90"
    cleanup_keep_days_by_job: str = ""
    cleanup_min_runs_per_job: int = Field(default=10, ge=1)
    cleanup_start_at: ByteSize | None = None
    cleanup_stop_at: ByteSize | None = None
    archive_location: str = Field(default="data/archive", validate_default=True)
    archive_keep_days: int = Field(default=400, ge=1)
    backup_location: str = Field(default="data/backups", validate_default=True)
    backup_keep_daily: int = Field(default=7, ge=0)
    backup_keep_weekly: int = Field(default=4, ge=0)
    backup_keep_monthly: int = Field(default=6, ge=0)
    backup_warehouse: bool = False
    backup_key: SecretStr | None = None

    redshift_host: str | None = None
    redshift_port: int = Field(default=5439, ge=1, le=65535)
    redshift_database: str | None = None
    redshift_user: str | None = None
    redshift_password: SecretStr | None = None
    redshift_cluster_id: str | None = None
    redshift_workgroup: str | None = None
    redshift_region: str | None = None
    redshift_iam_profile: str | None = None
    redshift_sslmode: Literal["disable", "verify-ca", "verify-full"] = "verify-ca"
    redshift_ra3_node: bool = False
    redshift_threads: int = Field(default=4, ge=1)
    redshift_connect_timeout: int = Field(default=30, ge=1)
    redshift_retries: int = Field(default=3, ge=0)
    redshift_query_group: str = Field(default="ab_pipeline", pattern=r"^[\w .:/-]+$")
    redshift_readers: str = Field(default="", pattern=_READERS)
    s3_staging: str | None = Field(default=None, pattern=r"^s3://[a-z0-9][a-z0-9.-]+(/\S*)?$")
    redshift_copy_role: str | None = Field(default=None, pattern=r"^arn:aws[\w-]*:iam::\d{12}:role/\S+$")

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{name!r} is not an IANA time zone such as Europe/Berlin") from error
        return name

    @field_validator("duckdb_path", "registry", "alerts_path", "accounts_path")
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
    def _raw_rows_are_apart(self) -> Self:
        if self.raw_schema == self.built_schema:
            raise ValueError(
                f"{ENV_PREFIX}RAW_SCHEMA and {ENV_PREFIX}BUILT_SCHEMA are both {self.raw_schema}: nothing that is built"
                " may stand beside raw rows"
            )
        return self

    @field_validator("archive_location", "backup_location", "reports_location")
    @classmethod
    def _folder_or_s3(cls, location: str | None) -> str | None:
        if location is None:
            return None
        if "://" in location and not location.startswith("s3://"):
            raise ValueError("backups, archives and pages are kept in a local folder or below s3://bucket/prefix")
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
        if self.target != "redshift":
            return self
        ways = ("redshift_password", "redshift_cluster_id", "redshift_workgroup")
        given = [name for name in ways if getattr(self, name)]
        needed = ["redshift_host", "redshift_database", *([] if given else ["redshift_user", "redshift_password"])]
        if missing := self._missing(*needed):
            iam = "" if given else f" (or, for IAM, {' or '.join(_variables(*ways[1:]).split(', '))})"
            raise ValueError(f"target redshift needs {missing}{iam}")
        if len(given) > 1:
            raise ValueError(f"{_variables(*given)} are ways to log in that exclude each other: keep one")
        if self.redshift_password and not self.redshift_user:
            raise ValueError(f"a password needs {_variables('redshift_user')} too")
        if self.redshift_workgroup and self.redshift_user:
            raise ValueError(
                f"a Serverless workgroup names the user after the IAM identity: leave {_variables('redshift_user')} out"
            )
        if not self.redshift_password and self.redshift_sslmode == "disable":
            raise ValueError(f"IAM needs TLS: {_variables('redshift_sslmode')} must be verify-ca or verify-full")
        return self

    @model_validator(mode="after")
    def _staging_needs_both(self) -> Self:
        names = ("s3_staging", "redshift_copy_role")
        if any(getattr(self, name) for name in names) and (missing := self._missing(*names)):
            raise ValueError(f"loading through S3 needs {missing} too")
        return self

    @model_validator(mode="after")
    def _slack_needs_both(self) -> Self:
        if bool(self.slack_token) != bool(self.slack_channel):
            missing = "slack_channel" if self.slack_token else "slack_token"
            raise ValueError(f"alerts to Slack need {ENV_PREFIX}{missing.upper()} too")
        return self

    @field_validator("alert_webhook", "alert_smtp", "ping_url")
    @classmethod
    def _address(cls, url: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        schemes = ("smtps", "smtp") if info.field_name == "alert_smtp" else ("https", "http")
        if url and (urlsplit(url.get_secret_value()).scheme not in schemes or not _host(url.get_secret_value())):
            # it may hold a password or be one
            raise PydanticCustomError("secret", "{what}", {"what": f"it is not of the form {schemes[0]}://host/..."})
        return url

    @model_validator(mode="after")
    def _mail_needs_all(self) -> Self:
        names = ("alert_smtp", "alert_mail_from", "alert_mail_to")
        if any(getattr(self, name) for name in names) and (missing := self._missing(*names)):
            raise ValueError(f"messages by e-mail need {missing} too")
        return self

    @field_validator("session_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and len(secret.get_secret_value()) < 32:
            raise PydanticCustomError("secret", "it is shorter than 32 characters: `openssl rand -hex 32` makes one")
        return secret

    @field_validator("oidc_roles")
    @classmethod
    def _roles_of_groups(cls, text: str) -> str:
        roles_by_group(text)
        return text

    @model_validator(mode="after")
    def _oidc_needs_all(self) -> Self:
        names = ("oidc_issuer", "oidc_client_id", "oidc_client_secret", "oidc_roles")
        if any(getattr(self, name) for name in names) and (missing := self._missing(*names)):
            raise ValueError(f"logging in by OIDC needs {missing} too")
        issuer = urlsplit(self.oidc_issuer or "")
        if issuer.scheme == "http" and issuer.hostname not in LOOPBACK:
            raise ValueError(f"{ENV_PREFIX}OIDC_ISSUER={self.oidc_issuer}: not https, so anybody could answer")
        return self

    def _missing(self, *names: str) -> str:
        return _variables(*(name for name in names if not getattr(self, name)))

    @property
    def database(self) -> str | None:
        """The database that relations are in, as dbt names it: for DuckDB the stem of the file."""
        return self.duckdb_path.stem if self.target == "local" else self.redshift_database

    @property
    def place(self) -> str:
        """What a person calls the database: its file, or its host and name."""
        return str(self.duckdb_path) if self.target == "local" else f"{self.redshift_host}/{self.redshift_database}"

    @property
    def registry_link(self) -> Path | None:
        """Where `dbt_project.yml` finds another folder of the registry than its own; None if it is its own."""
        if self.registry == REGISTRY:
            return None
        name = hashlib.md5(str(self.registry).encode(), usedforsecurity=False).hexdigest()
        return REGISTRY.parent / "target" / f"registry-{name}"

    @property
    def dbt_folder(self) -> str:
        """Where dbt keeps what it makes of the project: a folder an adapter, a database and a registry."""
        link = self.registry_link
        return f"{self.target}-{self.database}" + (f"-{link.name[-6:]}" if link else "")

    @property
    def compared_days(self) -> int | None:
        """How many of the newest days a read-out compares with raw rows; None for all, which Redshift would scan."""
        return None if self.target == "local" else self.lookback_days

    @property
    def seconds_between_looks(self) -> int:
        """How long the raw-change sensor waits at the least."""
        if self.sensor_seconds:
            return self.sensor_seconds
        # Dagster comes round every five seconds and leaves out a sensor that is early; a look at Redshift may be billed
        return 4 if self.target == "local" else 30

    @property
    def looks_at_every_day_per_hour(self) -> float | None:
        """How often an hour the sensor may compare every day; None: whenever something was written."""
        if self.full_looks_per_hour is None and self.target == "redshift":
            return _FULL_LOOKS_AT_REDSHIFT
        return self.full_looks_per_hour

    @property
    def pages_location(self) -> str:
        """Where pages go: a folder a database, so that the demo's do not lie among others."""
        return self.reports_location or str(self.duckdb_path.parent / "reports" / str(self.database))

    def dbt_environment(self) -> dict[str, str]:
        """What `dbt_project/profiles.yml` and the macros read, as environment variables."""
        return {
            f"{ENV_PREFIX}{name.upper()}": (value.get_secret_value() if isinstance(value, SecretStr) else str(value))
            for name, value in self
            if value is not None and (name, value) != ("registry", REGISTRY)
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


def roles_by_group(text: str) -> dict[str, str]:
    """What `ab-viewers:viewer, data-eng:editor` says.

    Raises:
        ValueError: it says something else, or names a role that does not exist.
    """
    pairs = [pair.rpartition(":") for pair in text.split(",") if pair.strip()]
    for group, _, role in pairs:
        if not group.strip() or role.strip() not in ROLES:
            raise ValueError(f"write GROUP:ROLE, separated by commas, each role one of {', '.join(ROLES)}")
    return {group.strip(): role.strip() for group, _, role in pairs}


def load_settings() -> Settings:
    """Read and check the settings afresh.

    Raises:
        SettingsError: one line per wrong setting, each naming the variable and its value.
    """
    if wrong := [*_renamed(), *_misspelt()]:
        raise SettingsError("\n".join(wrong))
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


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        # a port that is none is told when it is read
        return parts.hostname if parts.port is None or parts.port else None
    except ValueError:
        return None


def sources() -> dict[str, tuple[str, str]]:
    """Every variable with our prefix that is not empty: its value, and where it is set. The environment wins."""
    env_file = Settings.model_config.get("env_file")
    in_file = dotenv_values(str(env_file)) if env_file else {}
    places = {str(env_file): in_file, "the environment": os.environ}
    return {
        name.upper(): (value, place)
        for place, variables in places.items()
        for name, value in variables.items()
        if value and name.upper().startswith(ENV_PREFIX)
    }


def _renamed() -> list[str]:
    return [
        f"{ENV_PREFIX}{old} is called {ENV_PREFIX}{new}: rename it in {place}."
        for old, new in _RENAMED.items()
        for _, place in [sources().get(ENV_PREFIX + old, ("", ""))]
        if place
    ]


def _misspelt() -> list[str]:
    known = [name.upper() for name in Settings.model_fields]
    sentences = []
    for variable, (value, place) in sources().items():
        name = variable.removeprefix(ENV_PREFIX)
        near = get_close_matches(name, known, 1, _NEAR)
        is_injected = _INJECTED.fullmatch(name) and (not near or "://" in value)
        if name in known or name in _RENAMED or is_injected:
            continue
        meant = f"did you mean {ENV_PREFIX}{near[0]}?" if near else "`ab-pipeline config` lists those that there are."
        sentences.append(f"{variable}, in {place}, is no setting: {meant}")
    return sentences


def _variables(*names: str) -> str:
    return ", ".join(f"{ENV_PREFIX}{name.upper()}" for name in names)


def _sentence(problem: dict) -> str:
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not problem["loc"]:
        return f"{message}: set it in the environment or in {ENV_FILE}."
    variable = f"{ENV_PREFIX}{str(problem['loc'][0]).upper()}"
    value = "..." if problem["type"] == "secret" else problem["input"]
    return f"{variable}={value}: {message}. See .env.example."
