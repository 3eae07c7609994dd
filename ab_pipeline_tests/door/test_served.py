"""`ab-pipeline serve` over a socket: attacks once more, programs with tokens, and a browser for each role."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from dagster import DagsterInstance
from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError
from playwright.sync_api import Browser, Page
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from ab_pipeline.automation.runs import days_of
from ab_pipeline.door.audit import Audit
from ab_pipeline.door.database import DoorDatabase
from ab_pipeline.door.roles import Role
from ab_pipeline.experiments.registry import Registry
from ab_pipeline.maintenance.object_store import open_store
from ab_pipeline.readouts.documentation import write_documentation
from ab_pipeline.readouts.pages import entries_of, write_programme
from ab_pipeline.refresh.days import Days, RefreshError
from ab_pipeline.refresh.there import running_dagster
from ab_pipeline.settings import Settings
from ab_pipeline_tests.door.doors import PASSWORD
from ab_pipeline_tests.door.graphql import mutations
from ab_pipeline_tests.door.served import COMMAND, Served, environment, free_port, served
from ab_pipeline_tests.door.test_table import disguises
from ab_pipeline_tests.experiments.examples import experiment
from ab_pipeline_tests.experiments.report.browser import chromium, violations
from ab_pipeline_tests.experiments.simulated import METRICS, simulated
from ab_pipeline_tests.redshift.certificate import self_signed

pytestmark = pytest.mark.slow

LAUNCHPAD = "/locations/location.py/jobs/greeting/playground"
WIDTHS = (360, 768, 1280)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served") / "home") as one:
        report = simulated({"control": 0.0, "one_page": 0.3})
        looks = {"checkout": [(report.experiment.start_date, "keep running"), (report.readout.as_of, "ship")]}
        store = open_store(str(one.home / "pages"))
        write_programme(entries_of(Registry((experiment(),), METRICS), [report], looks), store)
        manifest = one.home / "manifest.json"
        manifest.write_text(MANIFEST)
        write_documentation(manifest, store)
        yield one


MANIFEST = """{"metadata": {"project_name": "ab", "adapter_type": "duckdb", "dbt_version": "1.11.0"},
"nodes": {"model.ab.daily": {"unique_id": "model.ab.daily", "name": "daily", "resource_type": "model",
  "package_name": "ab", "path": "daily.sql", "original_file_path": "models/daily.sql", "fqn": ["ab", "daily"],
  "columns": {}, "config": {"enabled": true, "materialized": "table"}, "description": "A row a day", "tags": [],
  "raw_code": "select 1", "compiled_code": "select 1", "depends_on": {"nodes": [], "macros": []}, "refs": [],
  "sources": [], "database": "db", "schema": "s", "alias": "daily", "meta": {}, "docs": {"show": true}}},
"sources": {}, "macros": {}, "docs": {}, "exposures": {}, "metrics": {}, "selectors": {}, "disabled": {},
"parent_map": {"model.ab.daily": []}, "child_map": {"model.ab.daily": []}, "groups": {}, "semantic_models": {},
"unit_tests": {}, "saved_queries": {}}"""


def runs(server: Served) -> int:
    with DagsterInstance.from_config(str(server.home)) as instance:
        return instance.get_runs_count()


def bearer(server: Served, role: Role) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.tokens[role]}"}


def test_over_a_socket_too_a_viewer_launches_nothing(server: Served) -> None:
    before = runs(server)
    with httpx2.Client(base_url=server.url, headers=bearer(server, Role.VIEWER)) as client:
        for given in disguises().values():
            got = client.request(**{"method": "POST", "url": "/graphql", **given})  # type: ignore[arg-type]
            assert got.status_code in (200, 400, 405, 415), got.text
            assert "LaunchRunSuccess" not in got.text
        for document in mutations().values():
            client.post("/graphql", json={"query": document})
    assert runs(server) == before


@pytest.mark.parametrize(
    "path",
    ["/", "/graphql", "//graphql", "/graphql?query={version}", "/login/../graphql", "/login/%2e%2e/graphql", "/runs"],
)
def test_over_a_socket_too_nobody_gets_further_than_the_login(server: Served, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        # as it is: a client would tidy it up
        command = ["curl", "-s", "--path-as-is", "-g", "-X", method, "-w", "%{http_code}", f"{server.url}{path}"]
        got = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240).stdout
        assert got.endswith("401"), (method, got)


def test_over_a_socket_too_a_websocket_needs_a_login(server: Served) -> None:
    url = server.url.replace("http", "ws") + "/graphql"

    async def opens(**headers: str) -> int:
        try:
            async with connect(url, additional_headers=headers, subprotocols=[Subprotocol("graphql-ws")]):
                return 101
        except InvalidStatus as refused:
            return refused.response.status_code

    assert asyncio.run(opens(**bearer(server, Role.VIEWER))) == 101
    assert asyncio.run(opens()) == 403
    assert asyncio.run(opens(Authorization="Bearer abp_x")) == 403


def test_a_cookie_of_a_megabyte_is_a_sentence_over_a_socket_too(server: Served) -> None:
    got = httpx2.get(f"{server.url}/login", headers={"Cookie": "ab_pipeline=" + "x" * 1_000_000})
    assert (got.status_code, "delete this site's cookies" in got.text) == (431, True)


@pytest.mark.filterwarnings("ignore:Using variable_values:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::dagster._utils.warnings.SupersessionWarning")
def test_a_refresh_by_name_goes_through_with_a_token_and_not_without(server: Served) -> None:
    days = Days(dt.date(2025, 1, 3), dt.date(2025, 1, 4))

    def settings(token: str) -> Settings:
        return Settings(dagster_url=server.url, token=SecretStr(token))

    launcher = running_dagster(settings(server.tokens[Role.LAUNCHER]), server.home)
    assert launcher
    assert launcher.databases() == {"tiny"}
    run_id = launcher.start(days)
    assert launcher.standing(run_id).status in ("QUEUED", "NOT_STARTED")
    with DagsterInstance.from_config(str(server.home)) as instance:
        run = instance.get_run_by_id(run_id)
    assert run
    assert (run.tags["user"], [str(day) for day in days_of(run)]) == ("launcher-ci", ["2025-01-03", "2025-01-04"])
    viewer = running_dagster(settings(server.tokens[Role.VIEWER]), server.home)
    assert viewer
    with pytest.raises(RefreshError, match="refused"):
        viewer.start(days)
    with pytest.raises(RefreshError, match="wants a login: set AB_PIPELINE_TOKEN"):
        running_dagster(settings("abp_wrong"), server.home)
    with pytest.raises(RefreshError, match="wants a login: set AB_PIPELINE_TOKEN"):
        running_dagster(Settings(dagster_url=server.url, token=None), server.home)


@pytest.mark.filterwarnings("ignore:Using variable_values and operation_name:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::dagster._utils.warnings.SupersessionWarning")
def test_dagsters_own_client_launches_with_a_token_and_not_without(server: Served) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    client = DagsterGraphQLClient(host, int(port), headers=bearer(server, Role.LAUNCHER))
    run_id = client.submit_job_execution("greeting", "location.py", "__repository__")
    with DagsterInstance.from_config(str(server.home)) as instance:
        run = instance.get_run_by_id(run_id)
    assert run
    assert run.tags["user"] == "launcher-ci"
    with pytest.raises(DagsterGraphQLClientError):
        DagsterGraphQLClient(host, int(port)).submit_job_execution("greeting", "location.py", "__repository__")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def eventually(holds: Callable[[], bool]) -> None:
    """It does within half a minute."""
    deadline = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


class Seat:
    """Somebody at a browser, and what the pages complained of."""

    def __init__(self, browser: Browser, server: Served, width: int = 1280) -> None:
        # axe-core is put in from outside, and no page of ours allows a script
        self.context = browser.new_context(viewport={"width": width, "height": 900}, bypass_csp=True)
        self.page, self.server = self.context.new_page(), server
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self.complain(said.text))
        self.page.on("pageerror", lambda error: self.complain(str(error)))
        self.page.on("response", lambda got: self.complain(f"{got.status} {got.url}" if got.status >= 400 else ""))

    def complain(self, text: str) -> None:
        # what Dagster's own pages find about their own cache is nobody's business here
        if text and "go.apollo.dev" not in text:
            self.complaints.append(text)

    def log_in(self, role: Role, to: str = "/runs") -> Page:
        self.page.goto(f"{self.server.url}{to}")
        self.page.get_by_label("Name").fill(role)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(f"**{to}*")
        return self.page


@pytest.mark.parametrize("role", Role)
def test_each_role_logs_in_presses_what_it_may_sees_what_is_grey_and_logs_out(
    browser: Browser, server: Served, role: Role
) -> None:
    seat, before = Seat(browser, server), runs(server)
    page = seat.log_in(role, LAUNCHPAD)
    if role == Role.VIEWER:
        launchpad = page.locator("#launchpad")
        launchpad.wait_for()
        assert launchpad.is_disabled()
    else:
        page.get_by_role("button", name="Launch Run").click()
        page.wait_for_url("**/runs/*")
        eventually(lambda: runs(server) == before + 1)
        launched = [deed for deed in Audit(DoorDatabase.beside(server.home)).deeds(user=role) if "aunch" in deed.action]
        assert "Success" in launched[-1].result
    page.goto(f"{server.url}/automation")
    page.get_by_text("yearly").first.wait_for()
    grey = page.locator("input[type=checkbox]:disabled")
    if role.may(Role.EDITOR):
        # they are grey while the page asks
        eventually(lambda: not grey.count())
    else:
        why = page.get_by_text(f"Your role is {role}: this takes the role editor")

        def is_said() -> bool:
            page.mouse.move(0, 0)
            grey.first.locator("xpath=..").hover(force=True)
            page.wait_for_timeout(500)
            return why.count() > 0

        eventually(is_said)
    # what the pages load and run is allowed by their content policies
    assert seat.complaints == []
    page.goto(f"{server.url}/login")
    page.get_by_text(f"You are logged in as {role}").wait_for()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("button", name="Log in").wait_for()
    page.goto(f"{server.url}/runs")
    assert "/login" in page.url
    seat.context.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_login_programme_and_page_fit_are_accessible_and_lead_to_each_other(
    browser: Browser, server: Served, width: int
) -> None:
    seat = Seat(browser, server, width)
    page = seat.page

    def check() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert violations(page) == []

    page.goto(f"{server.url}/login")
    check()
    page.get_by_label("Name").fill("viewer")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Name or password is wrong.").wait_for()
    check()
    assert seat.complaints.pop().startswith("Failed to load resource")
    assert seat.complaints.pop().startswith("401 ")
    seat.log_in(Role.VIEWER, "/experiments/")
    check()
    page.get_by_role("link", name="One-page checkout").click()
    page.wait_for_url("**/experiments/checkout.html")
    assert page.locator("#verdict").inner_text() == "Ship one_page"
    check()
    page.goto(f"{server.url}/login")
    check()
    assert seat.complaints == []
    seat.context.close()


def test_the_pages_need_no_exception_from_their_policy(browser: Browser, server: Served) -> None:
    """The tests above bypass it, for axe-core."""
    context = browser.new_context()
    page, complaints = context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text))
    page.goto(f"{server.url}/login?next=/experiments/")
    page.get_by_label("Name").fill("viewer")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Waits for a decision").click()
    assert page.locator(".card:visible").count() == 1
    page.get_by_role("link", name="One-page checkout").click()
    page.locator("#verdict").wait_for()
    assert page.locator("svg").first.bounding_box()
    assert complaints == []
    page.goto(f"{server.url}/docs/#!/model/model.ab.daily")
    page.get_by_text("A row a day").first.wait_for()
    context.close()


@pytest.mark.parametrize(
    ("arguments", "url", "sentence"),
    [
        (("--host", "0.0.0.0"), "http://127.0.0.1:3000", "passwords would go in clear text to 0.0.0.0, 127.0.0.1"),
        ((), "http://dagster.example.com", "passwords would go in clear text to 127.0.0.1, dagster.example.com"),
        (("--host", "::"), "http://127.0.0.1:3000", "passwords would go in clear text to"),
    ],
)
def test_it_does_not_start_where_passwords_would_go_in_clear_text(
    server: Served, arguments: tuple[str, ...], url: str, sentence: str
) -> None:
    got = run(server.home, free_port(), *arguments, AB_PIPELINE_DAGSTER_URL=url)
    assert got.returncode == 1
    assert sentence in got.stderr
    assert "--tls-cert" in got.stderr
    assert "Traceback" not in got.stderr


@pytest.mark.parametrize(
    ("file", "sentence"),
    [("session.key", "others may read"), ("accounts.json", "so nobody is let in: `chmod 600")],
)
def test_it_does_not_start_with_secrets_that_others_may_read(tmp_path: Path, file: str, sentence: str) -> None:
    (tmp_path / "dagster.yaml").touch()
    (tmp_path / file).write_text("x" * 64)
    (tmp_path / file).chmod(0o644)
    got = run(tmp_path, free_port())
    assert got.returncode == 1
    assert sentence in got.stderr
    assert "Traceback" not in got.stderr


def test_a_port_that_is_taken_is_a_sentence(server: Served) -> None:
    port = server.url.rpartition(":")[2]
    got = run(server.home, int(port), "--port", port, "-w", str(server.home / "workspace.yaml"))
    assert got.returncode == 1
    assert f"port {port} of 127.0.0.1 is taken" in got.stderr
    assert "Traceback" not in got.stderr


def test_it_serves_over_tls_with_a_certificate(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with served(tmp_path / "home", certificate, key) as one:
        trusted = ssl.create_default_context(cafile=str(certificate))
        with httpx2.Client(base_url=one.url, verify=trusted) as client:
            got = client.post("/login", data={"name": "viewer", "password": PASSWORD, "next": "/"})
            assert got.status_code == 303
            assert all(cookie.startswith("__Host-") for cookie in got.headers.get_list("set-cookie"))
            assert client.post("/graphql", json={"query": "{version}"}).status_code == 200
        assert "Traceback" not in one.log.read_text()


def run(home: Path, port: int, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), "serve", *arguments],
        env={**environment(home, port), **settings},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
