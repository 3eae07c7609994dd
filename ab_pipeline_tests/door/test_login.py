"""Logging in and out: what a session is good for, and for how long."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx2 import ASGITransport, AsyncClient
from pydantic import SecretStr
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from ab_pipeline.door import accounts as accounts_module
from ab_pipeline.door import guard as guard_module
from ab_pipeline.door import login as login_module
from ab_pipeline.door.accounts import AccountsError, AccountsFile
from ab_pipeline.door.database import DoorDatabase
from ab_pipeline.door.login import inside
from ab_pipeline.door.roles import Role
from ab_pipeline.door.secret import session_secret
from ab_pipeline.door.throttle import OF_ONE_ADDRESS, OF_ONE_NAME, Throttle
from ab_pipeline.settings import Settings
from ab_pipeline_tests.door.doors import PASSWORD, URL, InFront, empty_door
from ab_pipeline_tests.door.graphql import ask

pytestmark = pytest.mark.slow

WRONG = "wrong horse battery"
HTML = {"Accept": "text/html"}
addresses = iter(f"10.1.{n // 250}.{n % 250 + 1}" for n in range(60_000))


def try_password(client: TestClient, name: str, password: str, **headers: str) -> int:
    data = {"name": name, "password": password, "next": "/"}
    return client.post("/login", data=data, headers=headers).status_code


def is_in(client: TestClient) -> bool:
    return ask(client, "{version}").status_code == 200


def test_the_page_is_shown_again_until_the_password_is_right(front: InFront) -> None:
    client = front.client(next(addresses))
    assert 'name="password"' in client.get("/login").text
    assert try_password(client, "viewer", WRONG) == 401
    assert try_password(client, "nobody", PASSWORD) == 401
    assert not is_in(client)
    assert try_password(client, " Viewer ", PASSWORD) == 303
    assert is_in(client)
    page = client.get("/login").text
    assert "You are logged in as <b>viewer</b>" in page
    assert 'action="/logout"' in page


def test_a_browser_is_sent_to_the_login_and_on_to_where_it_wanted(front: InFront) -> None:
    client = front.client(next(addresses))
    sent = client.get("/runs?status=failure", headers=HTML)
    assert sent.headers["location"] == "/login?next=/runs%3Fstatus%3Dfailure"
    page = client.get(sent.headers["location"])
    assert 'value="/runs?status=failure"' in page.text
    form = {"name": "viewer", "password": PASSWORD, "next": "/runs?status=failure"}
    assert client.post("/login", data=form).headers["location"] == "/runs?status=failure"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/login",
        "/logout",
        "",
    ],
)
def test_a_login_leads_to_no_other_site(front: InFront, elsewhere: str) -> None:
    assert inside(elsewhere) == "/"
    form = {"name": "viewer", "password": PASSWORD, "next": elsewhere}
    assert front.client(next(addresses)).post("/login", data=form).headers["location"] == "/"


def test_what_is_typed_is_text_on_the_page(front: InFront) -> None:
    page = front.client(next(addresses)).get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script>" not in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_the_cookie_is_for_this_site_alone(front: InFront, tmp_path: Path) -> None:
    client = front.client(next(addresses))
    got = client.post("/login", data={"name": "viewer", "password": PASSWORD, "next": "/"})
    session, device = sorted(got.headers.get_list("set-cookie"), key=len, reverse=True)
    for cookie in (session, device):
        assert {"httponly", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
    assert "samesite=lax" in session
    assert "max-age=43200" in session.lower()
    with empty_door(tmp_path / "home", dagster_url="https://dagster.example.com") as encrypted:
        client = encrypted.client(base_url="https://dagster.example.com")
        got = client.post("/login", data={"name": "viewer", "password": PASSWORD, "next": "/"})
        for cookie in got.headers.get_list("set-cookie"):
            assert cookie.startswith("__Host-ab_pipeline")
            assert "secure" in cookie.lower()
        assert got.headers["strict-transport-security"]
        in_clear = encrypted.client(base_url="http://dagster.example.com")
        refused = in_clear.post("/login", data={"name": "viewer", "password": PASSWORD})
        assert refused.status_code == 400
        assert "This came in clear text" in refused.text
        assert in_clear.get("/healthz").status_code == 200


def test_a_login_begins_a_session_of_its_own(front: InFront) -> None:
    """A session that somebody else has planted stays theirs."""
    client = front.logged_in(Role.VIEWER, next(addresses))
    planted = client.cookies["ab_pipeline"]
    assert try_password(client, "admin", PASSWORD) == 303
    assert client.cookies["ab_pipeline"] != planted
    other = front.client()
    other.cookies.set("ab_pipeline", planted, domain="127.0.0.1")
    assert "You are logged in as <b>viewer</b>" in other.get("/login").text


def test_a_log_out_ends_every_copy_of_the_cookie_also_after_a_restart(tmp_path: Path) -> None:
    with empty_door(tmp_path / "home") as front:
        client, copy = front.logged_in(Role.VIEWER), front.client()
        copy.cookies.update(client.cookies)
        assert is_in(copy)
        assert client.post("/logout").headers["location"] == "/login"
        assert not is_in(client)
        assert not is_in(copy)
        stays = front.logged_in(Role.EDITOR)
        (tmp_path / "home" / "accounts.json").rename(tmp_path / "accounts.json")
    with reopened(tmp_path) as front:
        for before, expected in ((copy, False), (stays, True)):
            again = front.client()
            again.cookies.update(before.cookies)
            assert is_in(again) is expected


def reopened(tmp_path: Path):
    """The same home; `door` makes users, so it is given another file and then the one before."""
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Iterator[InFront]:
        with empty_door(tmp_path / "home") as front:
            (tmp_path / "accounts.json").replace(front.settings.accounts_path)
            yield front

    return opened()


@pytest.mark.parametrize("change", ["role", "password", "removal"])
def test_another_role_or_password_ends_sessions_at_the_next_request(front: InFront, change: str) -> None:
    file = AccountsFile(front.settings.accounts_path)
    name = f"ann-{change}"
    file.change(lambda accounts: accounts.with_user(name, Role.VIEWER, PASSWORD))
    client = front.client(next(addresses))
    assert try_password(client, name, PASSWORD) == 303
    assert is_in(client)
    file.change(
        {
            "role": lambda accounts: accounts.with_role(name, Role.ADMIN),
            "password": lambda accounts: accounts.with_password(name, PASSWORD + "!"),
            "removal": lambda accounts: accounts.without_user(name),
        }[change]
    )
    assert not is_in(client)


@pytest.mark.parametrize("hours", [12.1, -1.0, -10_000.0])
def test_a_session_is_over_after_half_a_day_or_when_the_clock_is_wrong(
    front: InFront, hours: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = front.logged_in(Role.VIEWER, next(addresses))
    assert is_in(client)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + hours * 3600)
    assert not is_in(client)
    # and nobody is kept out by it
    assert is_in(front.logged_in(Role.VIEWER, next(addresses)))


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3001"},
        {"Origin": "https://127.0.0.1:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": URL},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    ],
)
def test_what_another_sites_page_sends_is_refused(front: InFront, headers: dict[str, str]) -> None:
    client = front.logged_in(Role.ADMIN, next(addresses))
    for path in ("/graphql", "/login", "/logout", "/report_asset_materialization/guest"):
        assert client.post(path, json={"query": "{version}"}, headers=headers).status_code == 403
    assert is_in(client)


def test_another_sites_page_opens_no_websocket(front: InFront) -> None:
    client = front.logged_in(Role.ADMIN, next(addresses))
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("ws://127.0.0.1:3000/graphql", headers={"Origin": "https://evil.example"}),
    ):
        pass
    with client.websocket_connect("ws://127.0.0.1:3000/graphql", ["graphql-ws"], headers={"Origin": URL}):
        pass


def test_a_websocket_ends_with_its_session(front: InFront, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "_WEBSOCKET_LOOK_SECONDS", 0.1)
    client = front.logged_in(Role.VIEWER, next(addresses))
    with client.websocket_connect("ws://127.0.0.1:3000/graphql", ["graphql-ws"]) as socket:
        socket.send_json({"type": "connection_init"})
        assert socket.receive_json() == {"type": "connection_ack"}
        client.post("/logout")
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
    assert (ended.value.code, ended.value.reason) == (1008, "log in again")


def test_a_lost_key_ends_sessions_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").touch()
    first = session_secret(Settings(), tmp_path)
    assert session_secret(Settings(), tmp_path) == first
    assert (tmp_path / "session.key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "session.key").unlink()
    assert session_secret(Settings(), tmp_path) != first
    for content, mode, sentence in (("", 0o600, "is damaged: remove it"), ("x" * 64, 0o640, "others may read")):
        (tmp_path / "session.key").write_text(content)
        (tmp_path / "session.key").chmod(mode)
        with pytest.raises(AccountsError, match=sentence):
            session_secret(Settings(), tmp_path)
    assert session_secret(Settings(session_secret=SecretStr("y" * 32)), tmp_path) == "y" * 32


def test_our_own_page_is_not_elsewhere(front: InFront) -> None:
    client = front.logged_in(Role.ADMIN, next(addresses))
    for headers in ({"Origin": URL}, {"Sec-Fetch-Site": "same-origin", "Origin": URL}, {}):
        assert client.post("/graphql", json={"query": "{version}"}, headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:3000", "127.0.0.1.evil.example", "", "dagster"])
def test_a_page_that_calls_us_by_another_name_gets_nothing(front: InFront, host: str) -> None:
    got = front.logged_in(Role.ADMIN).get("/server_info", headers={"Host": host})
    assert (got.status_code, got.text) == (400, "Invalid host header")
    assert front.client().get("/healthz", headers={"Host": host}).text == "ok"


def test_every_answer_may_stand_in_no_frame(front: InFront) -> None:
    client = front.logged_in(Role.VIEWER, next(addresses))
    for path in ("/", "/login", "/server_info", "/healthz", "/nothing/here"):
        assert client.get(path, headers=HTML).headers["x-frame-options"] == "DENY"


def test_a_cookie_of_a_megabyte_is_told_so(front: InFront) -> None:
    got = front.client().get("/login", headers={"Cookie": "ab_pipeline=" + "x" * 1_000_000})
    assert got.status_code == 431
    assert got.text.startswith("The headers of the request are longer than 32 kB: delete this site's cookies")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("name=viewer&password=" + "x" * 5000, "application/x-www-form-urlencoded"),
        ("a=1&" * 100, "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        ('{"name": "viewer"}', "application/json"),
        ("", ""),
    ],
)
def test_what_is_no_form_is_a_sentence(front: InFront, content: str | bytes, kind: str) -> None:
    got = front.client(next(addresses)).post("/login", content=content, headers={"Content-Type": kind})
    assert got.status_code == 400
    assert "fill it in again" in got.text


@pytest.mark.parametrize("password", ["", "x" * 300, "\x00" * 20, "\U0001f600"])
def test_an_odd_password_is_a_wrong_one(front: InFront, password: str) -> None:
    assert try_password(front.client(next(addresses)), "viewer", password) == 401


def test_a_wrong_name_takes_as_long_as_a_wrong_password(front: InFront) -> None:
    client = front.client()

    def seconds(name: str) -> float:
        taken = []
        for _ in range(6):
            client = front.client(next(addresses))
            started = time.perf_counter()
            assert try_password(client, name, WRONG) == 401
            taken.append(time.perf_counter() - started)
        return min(taken)

    assert try_password(client, "viewer", PASSWORD) == 303
    assert 0.5 < seconds("viewer") / seconds("nobody") < 2


class Hashes:
    """How many passwords were looked at."""

    def __init__(self) -> None:
        self.count, self.at_once, self.most_at_once = 0, 0, 0
        self._lock = threading.Lock()

    def __call__(self, user: object, password: str) -> bool:
        with self._lock:
            self.count += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return accounts_module.is_password_of(user, password)  # type: ignore[arg-type]
        finally:
            with self._lock:
                self.at_once -= 1


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> Hashes:
    counted = Hashes()
    monkeypatch.setattr(login_module, "is_password_of", counted)
    return counted


def test_forty_guesses_at_once_are_ten(front: InFront, hashes: Hashes) -> None:
    transport = ASGITransport(front.app, client=(next(addresses), 4711))

    async def guess() -> list[int]:
        async with AsyncClient(transport=transport, base_url=URL) as client:
            data = {"name": "viewer", "password": WRONG, "next": "/"}
            return [
                one.status_code for one in await asyncio.gather(*(client.post("/login", data=data) for _ in range(40)))
            ]

    assert sorted(asyncio.run(guess())) == [401] * OF_ONE_NAME + [429] * (40 - OF_ONE_NAME)
    assert hashes.count == OF_ONE_NAME
    assert hashes.most_at_once == 2


def test_guesses_of_many_names_from_one_address_end_too(front: InFront, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_module, "is_password_of", lambda *_: False)
    client = front.client(next(addresses))
    answers = [try_password(client, f"user{n}", WRONG) for n in range(OF_ONE_ADDRESS + 5)]
    assert answers == [401] * OF_ONE_ADDRESS + [429] * 5
    got = client.post("/login", data={"name": "viewer", "password": PASSWORD, "next": "/"})
    assert "Too many wrong passwords from here: try again in" in got.text
    assert 0 < int(got.headers["retry-after"]) <= 300


def test_a_name_of_ones_own_gives_no_more_guesses(front: InFront, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_module, "is_password_of", lambda _, password: password == PASSWORD)
    address, wrong = next(addresses), 0
    for n in range(OF_ONE_ADDRESS + 20):
        wrong += try_password(front.client(address), f"user{n}", WRONG) == 401
        try_password(front.client(address), "viewer", PASSWORD)
    assert wrong == OF_ONE_ADDRESS


def test_those_who_are_right_are_not_locked_out_by_ten_thousand_wrong_passwords(front: InFront) -> None:
    """From 100 addresses, one of which is also that of somebody who has logged in there before."""
    throttle = Throttle(DoorDatabase.beside(front.home))
    attackers = [next(addresses) for _ in range(100)]
    known = front.logged_in(Role.EDITOR, attackers[0])
    known.cookies.delete("ab_pipeline")
    tried = [throttle.attempt("editor", address, None) for address in attackers for _ in range(100)]
    assert sum(wait is None for wait in tried) == 100 * OF_ONE_NAME
    # each is told once that it is too much
    assert sum(wait is not None and wait.is_news for wait in tried) == 100
    assert try_password(front.client(attackers[1]), "editor", PASSWORD) == 429
    assert try_password(known, "editor", PASSWORD) == 303
    assert try_password(front.client(next(addresses)), "editor", PASSWORD) == 303


def test_a_wait_ends_and_a_clock_that_is_set_back_prolongs_none(
    front: InFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_module, "is_password_of", lambda _, password: password == PASSWORD)
    now = time.time()
    for later in (301, -100_000):
        address = next(addresses)
        monkeypatch.setattr(time, "time", lambda: now)
        assert [try_password(front.client(address), "viewer", WRONG) for _ in range(11)][-1] == 429
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        assert try_password(front.client(address), "viewer", PASSWORD) == 303


def test_addresses_of_one_network_of_version_6_are_one(front: InFront, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_module, "is_password_of", lambda *_: False)
    answers = [try_password(front.client(f"2001:db8::{n:x}"), "viewer", WRONG) for n in range(1, 13)]
    assert answers == [401] * OF_ONE_NAME + [429] * 2
    assert try_password(front.client("2001:db8:0:1::1"), "viewer", WRONG) == 401
    assert try_password(front.client("::ffff:10.9.9.9"), "viewer", WRONG) == 401


@pytest.mark.parametrize("content", [None, b"{"])
def test_accounts_that_others_may_read_or_that_are_damaged_let_nobody_in_and_say_so_in_the_log(
    front: InFront, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    client, file = front.logged_in(Role.ADMIN, next(addresses)), front.settings.accounts_path
    before = file.read_bytes()
    try:
        if content:
            file.write_bytes(content)
        else:
            file.chmod(0o644)
        for one in (client, front.program(Role.ADMIN)):
            got = ask(one, "{version}")
            assert (got.status_code, got.json()) == (
                503,
                {"error": "The door cannot look up who you are: its log says why"},
            )
        assert "nobody is let in" in caplog.text
        assert try_password(front.client(next(addresses)), "viewer", PASSWORD) == 503
    finally:
        file.write_bytes(before)
        file.chmod(0o600)
    assert is_in(client)


def test_no_password_and_no_token_is_in_a_log_or_in_the_audit(
    front: InFront, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    client = front.client(next(addresses))
    try_password(client, "viewer", WRONG)
    # a password in the wrong field
    try_password(client, WRONG, "viewer")
    ask(front.program(Role.ADMIN), "mutation { reloadWorkspace { __typename } }")
    said = caplog.text + "".join(capfd.readouterr()) + "".join(map(str, front.deeds()))
    assert WRONG not in said
    assert PASSWORD not in said
    assert not any(token in said for token in front.tokens.values())
