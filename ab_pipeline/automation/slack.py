"""The way to Slack, through dagster-slack."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING

from ab_pipeline.settings import Settings

if TYPE_CHECKING:
    from slack_sdk.web.client import WebClient

# a sensor's tick has a minute
_TIMEOUT_SECONDS = 10


class DeliveryError(Exception):
    """A message did not arrive. The message says why."""


@dataclass(frozen=True)
class SlackChannel:
    """A channel that the token's app may write to."""

    client: WebClient
    channel: str

    def __call__(self, text: str) -> None:
        """Post a message.

        Raises:
            DeliveryError: Slack is out of reach, or refuses.
        """
        from slack_sdk.errors import SlackClientError

        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        # a line that starts with > is a quotation, which the error lines are
        escaped = escaped.replace("\n&gt; ", "\n> ")
        try:
            self.client.chat_postMessage(channel=self.channel, text=escaped, unfurl_links=False)
        except (SlackClientError, HTTPException, OSError, ValueError) as error:
            raise DeliveryError(f"Slack: {' '.join(str(error).split())}") from error


def slack_channel(settings: Settings) -> SlackChannel | None:
    """The configured channel, if there is one."""
    if not settings.slack_token or not settings.slack_channel:
        return None
    from dagster_slack import SlackResource

    client = SlackResource(token=settings.slack_token.get_secret_value()).get_client()
    client.timeout = _TIMEOUT_SECONDS
    return SlackChannel(client, settings.slack_channel)
