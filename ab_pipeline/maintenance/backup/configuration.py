"""What beside Dagster's metadata it takes to run again: configuration, settings, manifest and registry.

Secrets are written encrypted with the user's key, or not at all.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from pydantic import SecretStr

from ab_pipeline.maintenance.backup.sealed_json import DamagedError
from ab_pipeline.paths import PROJECT_DIR, WORKSPACE
from ab_pipeline.settings import ENV_PREFIX, Settings

FOLDER = "configuration"
SECRETS = "secrets.fernet"
# a value beside such a key in dagster.yaml, unless it comes from `env:`; and a URL with a password
_LITERAL_SECRET = re.compile(
    r"(password|secret|token|access_key)\w*\s*:\s*[^\s{#]|://[^\s:/@]+:[^\s@]+@", re.IGNORECASE
)


def save(settings: Settings, home: Path, folder: Path) -> list[str]:
    """Copy the configuration below `folder`; what was left out, and why."""
    target = folder / FOLDER
    target.mkdir()
    files = [WORKSPACE, *sorted(settings.registry.glob("*.csv"))]
    dagster_yaml = home / "dagster.yaml"
    secrets: dict[str, str] = {f"{ENV_PREFIX}{name.upper()}": value for name, value in _secrets(settings).items()}
    if dagster_yaml.exists() and _LITERAL_SECRET.search(dagster_yaml.read_text()):
        secrets["dagster.yaml"] = dagster_yaml.read_text()
    else:
        files.append(dagster_yaml)
    files.append(PROJECT_DIR / "target" / settings.dbt_folder / "manifest.json")
    left_out = []
    for file in files:
        if file.exists():
            shutil.copyfile(file, target / file.name)
        else:
            left_out.append(f"{file.name}: {file} does not exist")
    (target / "settings.env").write_text(_plain_settings(settings))
    if not secrets:
        return left_out
    if settings.backup_key is None:
        return [*left_out, f"{', '.join(sorted(secrets))}: secrets need {ENV_PREFIX}BACKUP_KEY"]
    from cryptography.fernet import Fernet

    encrypted = Fernet(settings.backup_key.get_secret_value()).encrypt(json.dumps(secrets).encode())
    (target / SECRETS).write_bytes(encrypted)
    return left_out


def decrypt(folder: Path, key: SecretStr | None) -> list[str]:
    """Turn a restored folder's secrets into `secrets.env` (and dagster.yaml), which only the owner may read.

    Returns what stays encrypted, and why.

    Raises:
        DamagedError: the key is another.
    """
    encrypted = folder / SECRETS
    if not encrypted.exists():
        return []
    if key is None:
        return [f"{SECRETS} stays encrypted: set {ENV_PREFIX}BACKUP_KEY to the key of that time"]
    from cryptography.fernet import Fernet, InvalidToken

    try:
        secrets: dict[str, str] = json.loads(Fernet(key.get_secret_value()).decrypt(encrypted.read_bytes()))
    except InvalidToken as error:
        raise DamagedError(f"{SECRETS} was encrypted with another {ENV_PREFIX}BACKUP_KEY") from error
    dagster_yaml = secrets.pop("dagster.yaml", None)
    for name, content in (("dagster.yaml", dagster_yaml), ("secrets.env", _lines(secrets))):
        if content:
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(content)
    return []


def _secrets(settings: Settings) -> dict[str, str]:
    # the key in a backup that it locks would be of no use
    return {
        name: value.get_secret_value()
        for name, value in settings
        if isinstance(value, SecretStr) and name != "backup_key"
    }


def _plain_settings(settings: Settings) -> str:
    return _lines(
        {
            f"{ENV_PREFIX}{name.upper()}": str(value)
            for name, value in settings
            if value is not None and not isinstance(value, SecretStr)
        }
    )


def _lines(values: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in sorted(values.items()))
