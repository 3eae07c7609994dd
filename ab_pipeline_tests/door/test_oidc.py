"""Logging in by a provider: a real one, and one that answers wrongly."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from ab_pipeline.door.oidc import OidcError, person_of
from ab_pipeline.door.roles import Role
from ab_pipeline_tests.door.doors import InFront, empty_door
from ab_pipeline_tests.door.graphql import ask
from ab_pipeline_tests.door.wrong_provider import CLIENT, Provider, wrong_provider

pytestmark = pytest.mark.slow

ROLES = {"ab-viewers": "viewer", "data-eng": "editor"}
SETTINGS = {
    "oidc_client_id": CLIENT,
    "oidc_client_secret": "hunter2-hunter2",
    "oidc_roles": "ab-viewers:viewer, data-eng:editor",
}
USERS = [
    {"sub": "1", "email": "ann@example.com", "email_verified": True, "groups": ["ab-viewers", "data-eng"]},
    {"sub": "2", "email": "bob@example.com", "email_verified": False, "groups": "ab-viewers"},
    {"sub": "3", "groups": ["elsewhere"]},
]


@contextmanager
def real_provider() -> Iterator[str]:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    users = [part for user in USERS for part in ("--user-claims", json.dumps(user))]
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--require-nonce",
        "true",
    ]
    process = subprocess.Popen([*command, *users], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(1200):
            try:
                httpx2.get(f"http://127.0.0.1:{port}/.well-known/openid-configuration")
                break
            except httpx2.HTTPError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with wrong_provider() as one:
        yield one


@pytest.fixture(scope="module")
def behind(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InFront]:
    """A door that trusts the provider that may be wrong."""
    with empty_door(tmp_path_factory.mktemp("oidc") / "home", oidc_issuer=provider.url, **SETTINGS) as front:
        yield front


@pytest.fixture(autouse=True)
def right(provider: Provider) -> None:
    provider.reset()


def test_a_real_provider_lets_in_who_is_in_a_group(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        real_provider() as issuer,
        empty_door(tmp_path_factory.mktemp("real") / "home", oidc_issuer=issuer, **SETTINGS) as front,
    ):
        assert 'href="/oidc/login?next=/runs"' in front.client().get("/login?next=/runs").text
        for subject, name, role in (("1", "ann@example.com", Role.EDITOR), ("2", "2", Role.VIEWER)):
            client = front.client()
            back = through_the_real_one(client, subject)
            assert (back.status_code, back.headers["location"]) == (303, "/runs")
            deed = front.deeds()[-1]
            assert (deed.user, deed.role, deed.way, deed.result) == (name, role, "oidc", "done")
            assert deed.about.startswith(f"sub {subject}, groups ")
            assert ask(client, "{version}").status_code == 200
            copy = front.client()
            copy.cookies.update(client.cookies)
            client.post("/logout")
            assert ask(copy, "{version}").status_code == 401
        client = front.client()
        refused = through_the_real_one(client, "3")
        assert refused.status_code == 403
        assert "none of your groups may come in: ask for one of ab-viewers, data-eng" in refused.text
        assert ask(client, "{version}").status_code == 401
        assert front.deeds()[-1].user == "nobody"
        # who declines there is told so here
        refused = through_the_real_one(front.client(), None)
        assert (refused.status_code, "access was denied" in refused.text) == (401, True)


def through_the_real_one(client: TestClient, subject: str | None) -> Response:
    there = client.get("/oidc/login?next=/runs").headers["location"]
    form = {"action": "deny"} if subject is None else {"sub": subject}
    back = httpx2.post(there, data=form, follow_redirects=False).headers["location"]
    return client.get(back.removeprefix("http://127.0.0.1:3000"))


def log_in(client: TestClient, provider: Provider, **parameters: str) -> Response:
    there = client.get("/oidc/login?next=/runs")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(there.headers["location"]).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == "http://127.0.0.1:3000/oidc/callback"
    provider.nonce = asked["nonce"]
    return client.get("/oidc/callback", params={"code": "x", "state": asked["state"], **parameters})


def test_the_provider_that_may_be_wrong_is_right_when_it_is_left_alone(behind: InFront, provider: Provider) -> None:
    """Otherwise the tests below could not fail."""
    client = behind.client()
    assert log_in(client, provider).headers["location"] == "/runs"
    assert ask(client, "{version}").status_code == 200
    assert behind.deeds()[-1].user == "ann@example.com"


HOUR = 3600
WRONG: dict[str, dict[str, Any]] = {
    "a key that is not the provider's": {"key": "wrong"},
    "another's key by the name of the provider's": {"key": "wrong", "header": {"kid": "right"}},
    "no signature": {"signing": "none"},
    "the public key as a password": {"signing": "HS256"},
    "another's audience": {"claims": {"aud": "somebody"}},
    "no audience": {"without": ("aud",)},
    "another issuer": {"claims": {"iss": "https://evil.example"}},
    "no issuer": {"without": ("iss",)},
    "expired": {"claims": {"exp": int(time.time()) - HOUR, "iat": int(time.time()) - 2 * HOUR}},
    "no expiry": {"without": ("exp",)},
    "an expiry that is none": {"claims": {"exp": "never"}},
    "not before an hour from now": {"claims": {"nbf": int(time.time()) + HOUR}},
    "made an hour from now": {"claims": {"iat": int(time.time()) + HOUR}},
    "another nonce": {"claims": {"nonce": "x"}},
    "no nonce": {"without": ("nonce",)},
    "no subject": {"without": ("sub",)},
    "a subject that is none": {"claims": {"sub": 7}},
    "an empty subject": {"claims": {"sub": " "}},
    "no groups": {"without": ("groups",)},
    "groups that are a dictionary": {"claims": {"groups": {"data-eng": True}}},
    "groups that are a number": {"claims": {"groups": 7}},
    "groups in groups": {"claims": {"groups": [["data-eng"]]}},
    "a group whose name begins like one": {"claims": {"groups": ["data-eng2", "DATA-ENG", "data"]}},
    "no ID token": {"token": {"access_token": "x", "token_type": "Bearer"}},
    "an ID token that is none": {"token": {"access_token": "x", "token_type": "Bearer", "id_token": "x.y.z"}},
    "an ID token that is a number": {"token": {"access_token": "x", "token_type": "Bearer", "id_token": 7}},
    "an error": {"token": {"error": "invalid_grant", "error_description": "<script>"}},
    "an answer that is no object": {"body": b"[]"},
    "a page": {"body": b"<html>"},
    "nothing": {"body": b""},
    "a failure": {"status": 500},
    "not there": {"status": 404},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_lets_nobody_in(behind: InFront, provider: Provider, wrong: str) -> None:
    client = behind.client()
    for name, value in WRONG[wrong].items():
        setattr(provider, name, value)
    got = log_in(client, provider)
    assert got.status_code in (401, 403, 502), got.text
    assert 'class="problem" role="alert"' in got.text
    assert "Traceback" not in got.text
    assert "<script>" not in got.text
    assert ask(client, "{version}").status_code == 401
    assert behind.deeds()[-1].result.startswith("refused: ")
    assert behind.deeds()[-1].user == "nobody"


@pytest.mark.parametrize(
    "wrong",
    [
        {"metadata_body": b"<html>"},
        {"metadata_body": b"[]"},
        {"metadata_body": b"{}"},
        {"metadata_status": 500},
        {"metadata": {"issuer": "https://evil.example"}},
        {"metadata": {"authorization_endpoint": None}},
        {"metadata": {"token_endpoint": "file:///etc/passwd"}},
        {"metadata": {"jwks_uri": None}},
    ],
)
def test_a_provider_that_describes_itself_wrongly_is_a_sentence(
    provider: Provider, wrong: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name, value in wrong.items():
        setattr(provider, name, value)
    with empty_door(tmp_path_factory.mktemp("door") / "home", oidc_issuer=provider.url, **SETTINGS) as front:
        got = front.client().get("/oidc/login")
        assert got.status_code in (401, 403, 502), got.text
        assert "Traceback" not in got.text
        # and is asked again
        provider.reset()
        assert log_in(front.client(), provider).status_code == 303


def test_a_provider_that_is_down_is_a_sentence_and_local_users_come_in(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with empty_door(tmp_path_factory.mktemp("down") / "home", oidc_issuer="http://127.0.0.1:9", **SETTINGS) as front:
        got = front.client().get("/oidc/login")
        assert (got.status_code, "does not answer as it should" in got.text) == (502, True)
        assert front.client().get("/oidc/callback?code=x&state=y").status_code in (401, 502)
        assert ask(front.logged_in(Role.VIEWER), "{version}").status_code == 200


@pytest.mark.parametrize("parameters", [{"state": "x"}, {"state": ""}, {"error": "access_denied"}, {"error": "<b>"}])
def test_a_login_that_was_not_begun_here_lets_nobody_in(
    behind: InFront, provider: Provider, parameters: dict[str, str]
) -> None:
    client = behind.client()
    got = log_in(client, provider, **parameters)
    assert got.status_code == 401
    assert ask(client, "{version}").status_code == 401
    # in another browser
    there = behind.client().get("/oidc/login").headers["location"]
    state = parse_qs(urlsplit(there).query)["state"][0]
    assert behind.client().get("/oidc/callback", params={"code": "x", "state": state}).status_code == 401
    assert behind.client().get("/oidc/callback").status_code == 401


def test_a_code_counts_once(behind: InFront, provider: Provider) -> None:
    client = behind.client()
    there = client.get("/oidc/login").headers["location"]
    asked = parse_qs(urlsplit(there).query)
    provider.nonce = asked["nonce"][0]
    back = {"code": "x", "state": asked["state"][0]}
    assert client.get("/oidc/callback", params=back).status_code == 303
    assert client.get("/oidc/callback", params=back).status_code == 401


def test_other_settings_end_the_sessions_that_came_by_them(
    behind: InFront, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> None:
    client = behind.client()
    log_in(client, provider)
    secret = (behind.home / "session.key").read_text().strip()
    for roles, expected in (("data-eng:viewer", 401), (SETTINGS["oidc_roles"], 200)):
        settings = {**SETTINGS, "oidc_roles": roles, "session_secret": secret}
        with empty_door(tmp_path_factory.mktemp("other") / "home", oidc_issuer=provider.url, **settings) as other:
            again = other.client()
            again.cookies.update(client.cookies)
            assert ask(again, "{version}").status_code == expected


def test_the_secret_of_the_client_is_in_no_log(
    behind: InFront, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.status = 500
    log_in(behind.client(), provider)
    assert "a login by" in caplog.text
    assert "hunter2" not in caplog.text + str(behind.deeds())


def test_an_address_that_is_not_verified_is_nobodys_name() -> None:
    claims = {"sub": "7", "email": "admin@example.com", "groups": ["data-eng"]}
    assert person_of({**claims, "email_verified": True}, "groups", ROLES).name == "admin@example.com"
    for verified in (False, None, "true", 1):
        assert person_of({**claims, "email_verified": verified}, "groups", ROLES).name == "7"


def test_groups_may_be_in_another_claim_and_the_strongest_counts() -> None:
    assert person_of({"sub": "7", "roles": ["ab-viewers", "data-eng"]}, "roles", ROLES).role == Role.EDITOR
    with pytest.raises(OidcError, match="none of your groups may come in"):
        person_of({"sub": "7", "groups": ["data-eng"]}, "roles", ROLES)
