"""The door's own pages: what they are rendered from, and what a browser may do with them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


def headers(*, has_form: bool) -> dict[str, str]:
    """Nothing is loaded or kept; a form, where there is one, comes back here."""
    action = "'self'" if has_form else "'none'"
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
    return {
        "Content-Security-Policy": f"{policy} form-action {action}; frame-ancestors 'none'; base-uri 'none'",
        "Cache-Control": "no-store",
    }


@cache
def template(name: str) -> Template:
    """One of the folder."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).with_name("templates")
    return Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined).get_template(name)
