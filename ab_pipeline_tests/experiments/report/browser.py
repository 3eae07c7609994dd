"""A real Chromium, which must not ask any host for anything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

AXE = Path(__file__).parents[3] / ".browser" / "node_modules" / "axe-core" / "axe.min.js"
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's; `make browser` installs it, and axe-core."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None or not AXE.exists():
        raise RuntimeError("the tests of the page need Chromium and axe-core: run `make browser`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, file: Path, width: int, scheme: str = "light") -> Iterator[tuple[Page, list[str]]]:
    """The page, and what it complained about or asked for."""
    complaints: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        # axe-core is put in from outside, and the page allows no script
        bypass_csp=True,
    )
    page = context.new_page()
    page.on("console", lambda message: complaints.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", lambda request: complaints.append(f"request: {request.url}"))
    page.goto(file.as_uri())
    complaints.remove(f"request: {file.as_uri()}")
    yield page, complaints
    context.close()


def violations(page: Page) -> list[str]:
    """axe-core's serious and critical ones, and where."""
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
