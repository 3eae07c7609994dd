"""Where messages go: Slack, a webhook, e-mail; to each that is configured."""

from __future__ import annotations

import json
import logging
import re
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.message import EmailMessage
from http.client import HTTPException
from urllib.parse import unquote, urlsplit

from ab_pipeline.automation.slack import DeliveryError, slack_channel
from ab_pipeline.settings import LOOPBACK, Settings

Deliver = Callable[[str], None]
# a sensor's tick has a minute, for all channels together
_TIMEOUT_SECONDS = 10
_ADDRESS = re.compile(r"[^@\s,<>]+@[^@\s,<>]+")
_logger = logging.getLogger("ab_pipeline.alerts")


@dataclass(frozen=True)
class Webhook:
    """An address that takes `{"text": ...}` by POST, as Slack's, Mattermost's and Teams' webhooks do."""

    url: str

    def __call__(self, text: str) -> None:
        """Post a message.

        Raises:
            DeliveryError: it does not answer, or refuses. Its address, which is secret, is not in it.
        """
        request = urllib.request.Request(
            self.url, json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):
                pass
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                # it is the answer, too
                error.close()
            raise DeliveryError(f"the webhook at {urlsplit(self.url).hostname}: {_line(error)}") from None


@dataclass(frozen=True)
class Mail:
    """E-mail by SMTP: `smtps://`, or `smtp://` with STARTTLS where the server offers it."""

    url: str
    sender: str
    recipients: tuple[str, ...]

    def to(self, owner: str | None) -> Mail:
        """The same to the owner, if that is an address."""
        return replace(self, recipients=(owner,)) if owner and _ADDRESS.fullmatch(owner) else self

    def __call__(self, text: str) -> None:
        """Send a message; its first line is the subject.

        Raises:
            DeliveryError: the server does not answer, or refuses.
        """
        parts = urlsplit(self.url)
        try:
            message = EmailMessage()
            message["Subject"], message["From"] = text.splitlines()[0][:200], self.sender
            message["To"] = ", ".join(self.recipients)
            message.set_content(text)
            with self._server() as server:
                if parts.username:
                    server.login(unquote(parts.username), unquote(parts.password or ""))
                server.send_message(message)
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise DeliveryError(f"the mail server {parts.hostname}: {_line(error)}") from None

    def _server(self) -> smtplib.SMTP:
        parts, context = urlsplit(self.url), ssl.create_default_context()
        host = parts.hostname or ""
        if parts.scheme == "smtps":
            return smtplib.SMTP_SSL(host, parts.port or 465, timeout=_TIMEOUT_SECONDS, context=context)
        server = smtplib.SMTP(host, parts.port or 587, timeout=_TIMEOUT_SECONDS)
        try:
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=context)
            elif parts.username and host not in LOOPBACK:
                raise ValueError("it offers no encryption, so the password is not sent: use smtps://")
        except BaseException:
            server.close()
            raise
        return server


def channels(settings: Settings) -> dict[str, Deliver]:
    """Each that is configured, by name."""
    found: dict[str, Deliver] = {}
    if slack := slack_channel(settings):
        found["slack"] = slack
    if settings.alert_webhook:
        found["webhook"] = Webhook(settings.alert_webhook.get_secret_value())
    if settings.alert_smtp and settings.alert_mail_from:
        recipients = tuple(one.strip() for one in (settings.alert_mail_to or "").split(",") if one.strip())
        found["mail"] = Mail(settings.alert_smtp.get_secret_value(), settings.alert_mail_from, recipients)
    return found


def together(found: Mapping[str, Deliver]) -> Deliver | None:
    """A message to all of them; None where there is none.

    One that fails keeps no other from telling, and is logged; only if all fail it counts as not delivered.
    """
    if not found:
        return None

    def deliver(text: str) -> None:
        problems = []
        for channel in found.values():
            try:
                channel(text)
            except DeliveryError as error:
                problems.append(str(error))
        if len(problems) == len(found):
            raise DeliveryError("; ".join(problems))
        for problem in problems:
            _logger.error("not delivered by one of several channels: %s", problem)

    return deliver


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
