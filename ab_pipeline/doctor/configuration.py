"""Settings, and who may read the secret ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from ab_pipeline.doctor.finding import Finding, fail, ok, warn
from ab_pipeline.doctor.setup import DEPLOYED, Setup, in_environment, others_may_read
from ab_pipeline.door.secret import FILE as SESSION_KEY
from ab_pipeline.paths import ENV_FILE
from ab_pipeline.settings import LOOPBACK, Settings, SettingsError, load_settings

_LEAST_SECONDS_AT_SERVERLESS = 30
# password: secret, or a URL that holds one; not what is taken from the environment
_PASSWORD = re.compile(r"^\s*password\s*:\s*[^\s{#][^\n]*$|://[^:/\s]+:[^@/\s]+@", re.MULTILINE)


def configuration(setup: Setup) -> Iterator[Finding]:
    """Whether each setting is right, and fit for what the installation is used for."""
    if not setup.home.is_dir():
        yield fail(f"{setup.home} does not exist", f"set DAGSTER_HOME to a folder that holds a copy of {DEPLOYED}")
    if not in_environment("DAGSTER_HOME"):
        yield warn(
            f"DAGSTER_HOME is not set: ab-pipeline takes {setup.home}, Dagster's own commands another place",
            f"export DAGSTER_HOME={setup.home}",
        )
    try:
        settings = load_settings()
    except SettingsError as error:
        for line in str(error).splitlines():
            yield fail(line, f"mend it where it is set: the environment, or {ENV_FILE}")
        return
    yield ok("every setting is one")
    if setup.is_production:
        yield from _in_production(settings)
    if settings.target == "redshift":
        yield from _on_redshift(settings)


def _in_production(settings: Settings) -> Iterator[Finding]:
    if not (settings.slack_channel or settings.alert_webhook or settings.alert_smtp):
        yield warn("alerts reach nobody: they go to a log", "set a channel: Slack, webhook or e-mail (.env.example)")
    if urlsplit(settings.dagster_url).hostname in LOOPBACK:
        yield warn(
            f"links in alerts lead to {settings.dagster_url}, which is each reader's own machine",
            "set AB_PIPELINE_DAGSTER_URL to the address that people open",
        )
    elif urlsplit(settings.dagster_url).scheme != "https":
        yield fail(
            f"people open {settings.dagster_url}: their passwords go in clear text",
            "put TLS in front, and set AB_PIPELINE_DAGSTER_URL to the https:// address",
        )
    if not settings.backup_key:
        yield warn(
            "AB_PIPELINE_BACKUP_KEY is not set: backups hold no passwords and tokens, which a restore would need",
            "`ab-pipeline backup-key` makes one; keep it somewhere else than the backups",
        )
    if not settings.ping_url:
        yield warn(
            "AB_PIPELINE_PING_URL is not set: if this whole machine dies, nobody is told",
            "set it to an address of a service elsewhere that tells when it is no longer asked",
        )


def _on_redshift(settings: Settings) -> Iterator[Finding]:
    if settings.redshift_sslmode == "disable":
        yield warn(
            "AB_PIPELINE_REDSHIFT_SSLMODE=disable: rows and the password go in clear text, unless a tunnel hides them",
            "set it to verify-full",
        )
    if settings.redshift_workgroup and settings.seconds_between_looks < _LEAST_SECONDS_AT_SERVERLESS:
        yield warn(
            f"AB_PIPELINE_SENSOR_SECONDS={settings.sensor_seconds}: each look wakes the Serverless workgroup,"
            " which is billed for a minute at least",
            "leave it out",
        )
    if not settings.s3_staging:
        yield warn(
            "AB_PIPELINE_S3_STAGING is not set: `load` inserts 500 rows a statement, which does not scale",
            "set it and AB_PIPELINE_REDSHIFT_COPY_ROLE, and files go through S3 and COPY",
        )


def secrets(setup: Setup) -> Iterator[Finding]:
    """Whether somebody else may read them."""
    settings = setup.settings
    paths = [setup.home / SESSION_KEY, setup.home / "door.db"]
    if _holds_secrets(env_file := _env_file()):
        paths.append(env_file)
    if settings:
        paths.append(settings.accounts_path)
    for path in paths:
        if others_may_read(path):
            yield fail(f"others may read {path}, which holds secrets", f"chmod 600 {path}")
    dagster_yaml = setup.home / "dagster.yaml"
    if dagster_yaml.exists() and _PASSWORD.search(dagster_yaml.read_text(errors="replace")):
        says = f"{dagster_yaml} holds a password"
        remedy = "write `password: {env: NAME}`, and put it into the environment"
        if others_may_read(dagster_yaml):
            yield fail(f"{says}, and others may read it", f"chmod 600 {dagster_yaml}; or {remedy}")
        else:
            yield warn(says, remedy)
    yield ok(f"{len([path for path in paths if path.exists()])} files with secrets looked at")


def _env_file() -> Path:
    return Path(str(Settings.model_config.get("env_file") or ENV_FILE))


def _holds_secrets(path: Path) -> bool:
    if not path.exists():
        return False
    names = "|".join(name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation))
    return bool(re.search(rf"^\s*(export\s+)?AB_PIPELINE_({names})\s*=\s*\S", path.read_text(), re.I | re.M))
