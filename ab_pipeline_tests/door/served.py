"""`ab-pipeline serve` as a process of its own, as people start it."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from ab_pipeline.door.accounts import AccountsFile
from ab_pipeline.door.roles import Role
from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline_tests.door.doors import PASSWORD

COMMAND = Path(sys.executable).with_name("ab-pipeline")
_PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Served:
    """Where it is, and who may come in."""

    url: str
    home: Path
    tokens: dict[Role, str]
    process: subprocess.Popen[str]
    log: Path


def environment(home: Path, port: int) -> dict[str, str]:
    """Of the process: nothing of the developer's own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AB_PIPELINE_")}
    return {
        **own,
        "DAGSTER_HOME": str(home),
        "AB_PIPELINE_DAGSTER_URL": f"http://127.0.0.1:{port}",
        "AB_PIPELINE_ACCOUNTS_PATH": str(home / "accounts.json"),
        "AB_PIPELINE_REPORTS_LOCATION": str(home / "pages"),
        "AB_PIPELINE_DUCKDB_PATH": str(home / "warehouse.duckdb"),
    }


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def served(home: Path, certificate: Path | None = None, key: Path | None = None) -> Iterator[Served]:
    """With a user and a token of each role, called like it, and the tiny code location; or over TLS."""
    home.mkdir()
    shutil.copy(PROJECT_ROOT / "deploy" / "dagster.yaml", home)
    location = Path(__file__).with_name("location.py")
    workspace = home / "workspace.yaml"
    loaded = {"python_file": {"relative_path": str(location), "location_name": location.name}}
    workspace.write_text(json.dumps({"load_from": [loaded]}))
    file, tokens = AccountsFile(home / "accounts.json"), {}
    for role in Role:
        accounts, tokens[role] = file.accounts().with_token(f"{role}-ci", role, dt.datetime.now(dt.UTC), 1)
        file.change(lambda _, accounts=accounts, role=role: accounts.with_user(role, role, PASSWORD))
    port, log = free_port(), home / "serve.log"
    url = f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    tls = ["--tls-cert", str(certificate), "--tls-key", str(key)] if certificate else []
    command = [str(COMMAND), "serve", "--port", str(port), "-w", str(workspace), *tls]
    env = {**environment(home, port), "AB_PIPELINE_DAGSTER_URL": url}
    with log.open("w") as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT, text=True)
        try:
            _wait(url, process, log)
            yield Served(url, home, tokens, process, log)
        finally:
            process.terminate()
            process.wait(60)


def _wait(url: str, process: subprocess.Popen[str], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx2.get(f"{url}/readyz", verify=False).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text())
