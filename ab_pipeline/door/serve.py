"""From the settings to a door that is open."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget, WorkspaceLoadTarget
from dagster_webserver.version import __version__
from itsdangerous import URLSafeTimedSerializer
from starlette.applications import Starlette

from ab_pipeline.door.accounts import AccountsFile
from ab_pipeline.door.audit import Audit
from ab_pipeline.door.database import DoorDatabase
from ab_pipeline.door.identity import Identity
from ab_pipeline.door.launched_by import LaunchedByRunCoordinator
from ab_pipeline.door.login import Login
from ab_pipeline.door.pages import Pages
from ab_pipeline.door.secret import session_secret
from ab_pipeline.door.sessions import EndedSessions
from ab_pipeline.door.status import StatusPage
from ab_pipeline.door.throttle import Throttle
from ab_pipeline.door.webserver import Door, Parts
from ab_pipeline.maintenance.object_store import open_store
from ab_pipeline.settings import LOOPBACK, Settings, SettingsError

if TYPE_CHECKING:
    from ab_pipeline.door.oidc import Oidc

_logger = logging.getLogger("ab_pipeline.door")
# as dagster-webserver has them
_STATEMENT_TIMEOUT_MILLISECONDS, _POOL_RECYCLE_SECONDS, _POOL_OVERFLOW = 15_000, 3_600, 20


@dataclass(frozen=True)
class Listening:
    """Where the door listens."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None


def check_not_in_clear_text(listening: Listening, settings: Settings) -> None:
    """Nothing, if passwords stay on this machine or are encrypted.

    Raises:
        SettingsError: they do not.
    """
    if bool(listening.certificate) != bool(listening.key):
        raise SettingsError("a certificate and its key go together: --tls-cert and --tls-key")
    is_encrypted = settings.dagster_url.startswith("https:")
    if listening.certificate and not is_encrypted:
        raise SettingsError(
            f"AB_PIPELINE_DAGSTER_URL={settings.dagster_url} is not https: with --tls-cert people open https"
        )
    here = {listening.host, urlsplit(settings.dagster_url).hostname or ""}
    if not is_encrypted and not all(map(_is_loopback, here)):
        raise SettingsError(
            f"passwords would go in clear text to {', '.join(sorted(here))}: give --tls-cert and --tls-key, or put a"
            " proxy with TLS in front; and set AB_PIPELINE_DAGSTER_URL to the https:// address that people open"
        )


def parts_of(settings: Settings, home: Path) -> Parts:
    """What the door is made of.

    Raises:
        AccountsError: accounts or the key of the sessions cannot be used.
        StorageError: the metadata database cannot.
    """
    database = DoorDatabase.beside(home)
    accounts, ended, audit = AccountsFile(settings.accounts_path), EndedSessions(database), Audit(database)
    # a sentence at the start, not at the first login
    accounts.accounts()
    secret = session_secret(settings, home)
    prefix = "__Host-" if settings.dagster_url.startswith("https:") else ""
    devices = URLSafeTimedSerializer(secret, salt="device")
    oidc = _oidc(settings, audit)
    pages = Pages(open_store(settings.pages_location))
    throttle, hashing = Throttle(database), Login.at_most()
    login = Login(accounts, throttle, ended, audit, devices, prefix, has_oidc=oidc is not None, hashing=hashing)
    return Parts(
        public_url=settings.dagster_url.rstrip("/"),
        hosts=_hosts(settings.dagster_url),
        secret=secret,
        cookie=f"{prefix}ab_pipeline",
        identity=Identity(accounts, ended, oidc.stamp if oidc else None),
        audit=audit,
        routes=(
            *login.routes(),
            *(oidc.routes() if oidc else ()),
            *pages.routes(),
            *StatusPage(settings.watch_url).routes(),
        ),
    )


@contextmanager
def opened(instance: DagsterInstance, target: WorkspaceLoadTarget, parts: Parts) -> Iterator[Starlette]:
    """The door as an ASGI application, its code servers running."""
    instance.optimize_for_webserver(_STATEMENT_TIMEOUT_MILLISECONDS, _POOL_RECYCLE_SECONDS, _POOL_OVERFLOW)
    with WorkspaceProcessContext(instance, version=__version__, workspace_load_target=target) as process:
        yield Door(process, parts).create_asgi_app()


def serve(settings: Settings, home: Path, workspace: Sequence[Path], listening: Listening) -> None:
    """Serve until a signal comes.

    Raises:
        SettingsError: passwords would go in clear text, or the port is taken.
        AccountsError, StorageError: what it needs cannot be used.
    """
    from dagster._utils import is_port_in_use
    from dagster._utils.interrupts import setup_interrupt_handlers

    check_not_in_clear_text(listening, settings)
    if is_port_in_use(listening.host, listening.port):
        raise SettingsError(f"port {listening.port} of {listening.host} is taken: end what listens there, or --port")
    parts = parts_of(settings, home)
    # without, uvicorn ends by SIGTERM before the code server does
    setup_interrupt_handlers()
    target = WorkspaceFileTarget([str(path) for path in workspace])
    with DagsterInstance.from_config(str(home)) as instance, opened(instance, target, parts) as app:
        if not isinstance(instance.run_coordinator, LaunchedByRunCoordinator):
            _logger.warning(
                "runs will not say who launched them: %s lacks the run_coordinator of deploy/dagster.yaml",
                home / "dagster.yaml",
            )
        uvicorn.run(
            app,
            host=listening.host,
            port=listening.port,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.proxy_addresses),
            forwarded_allow_ips=settings.proxy_addresses,
            ssl_certfile=listening.certificate,
            ssl_keyfile=listening.key,
        )


def _oidc(settings: Settings, audit: Audit) -> Oidc | None:
    if not settings.oidc_issuer:
        return None
    # its libraries take memory that only those pay who use them
    from ab_pipeline.door.oidc import Oidc

    return Oidc.of(settings, audit)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK


def _hosts(url: str) -> tuple[str, ...]:
    """The host of the address that people open, and this machine's own names: pages elsewhere have neither."""
    return (urlsplit(url).hostname or "", *sorted(LOOPBACK), "[::1]")
