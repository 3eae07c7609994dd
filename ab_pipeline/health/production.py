"""Whether others depend on this installation."""

from __future__ import annotations

from urllib.parse import urlsplit

from ab_pipeline.settings import LOOPBACK, Settings


def is_production(settings: Settings) -> bool:
    """Whether it works on the production warehouse, or people open it from elsewhere."""
    return settings.target == "redshift" or urlsplit(settings.dagster_url).hostname not in LOOPBACK
