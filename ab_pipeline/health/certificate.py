"""When a certificate ends."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

NEAR = dt.timedelta(days=14)
_TIMEOUT_SECONDS = 4


def anybodys() -> ssl.SSLContext:
    """TLS with whoever signed the certificate: that is the browser's to judge."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def end_of_file(path: Path) -> dt.datetime:
    """Of the first certificate in a PEM file.

    Raises:
        OSError, ValueError: it cannot be read, or holds none.
    """
    return _end(path.read_bytes())


def end_at(url: str) -> dt.datetime:
    """Of the certificate that an https:// address shows, whoever signed it.

    Raises:
        OSError: nothing answers there, or not by TLS.
    """
    parts = urlsplit(url)
    where = (parts.hostname or "", parts.port or 443)
    with (
        socket.create_connection(where, _TIMEOUT_SECONDS) as plain,
        anybodys().wrap_socket(plain, server_hostname=parts.hostname) as wrapped,
    ):
        shown = wrapped.getpeercert(binary_form=True) or b""
    return _end(ssl.DER_cert_to_PEM_cert(shown).encode())


def problem_of(end: dt.datetime, what: str, now: dt.datetime) -> str | None:
    """That it has ended, or will soon."""
    if end - now > NEAR:
        return None
    return f"the certificate of {what} {'ended' if end <= now else 'ends'} at {end:%Y-%m-%d %H:%M} UTC"


def _end(pem: bytes) -> dt.datetime:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem).not_valid_after_utc
