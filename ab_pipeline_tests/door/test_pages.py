"""Pages, JSON and documentation, from a folder and from S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from ab_pipeline.door.roles import Role
from ab_pipeline.experiments.registry import Registry
from ab_pipeline.maintenance.object_store import open_store
from ab_pipeline.readouts.documentation import PAGE, write_documentation
from ab_pipeline.readouts.pages import entries_of, page_url, write_programme
from ab_pipeline_tests.door.doors import InFront, empty_door
from ab_pipeline_tests.experiments.examples import experiment
from ab_pipeline_tests.experiments.simulated import METRICS, simulated

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry((experiment(),), METRICS)


@pytest.fixture(params=["folder", "s3"])
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InFront]:
    location = str(tmp_path / "pages")
    if request.param == "s3":
        request.getfixturevalue("s3")
        boto3.client("s3").create_bucket(Bucket="pages")
        location = "s3://pages/of/the/door"
    with empty_door(tmp_path / "home", reports_location=location) as opened:
        yield opened


def test_before_the_first_run_nothing_is_there_and_says_who_makes_it(front: InFront) -> None:
    client = front.program(Role.VIEWER)
    for path in ("/experiments/", "/docs/", "/api/v1/experiments"):
        got = client.get(path)
        assert (got.status_code, "the asset experiment_report writes it" in got.text) == (404, True)
    assert client.get("/experiments", follow_redirects=True).url.path == "/experiments/"


def test_every_role_sees_pages_and_json_that_a_run_has_written(front: InFront, registry: Registry) -> None:
    report = simulated({"control": 0.0, "one_page": 0.3})
    history = {"checkout": [(report.experiment.start_date, "keep running"), (report.readout.as_of, "ship")]}
    entries = entries_of(registry, [report], history)
    assert write_programme(entries, open_store(front.settings.pages_location)) == ["checkout.html"]
    for role in Role:
        for client in (front.logged_in(role), front.program(role)):
            index, page = client.get("/experiments/"), client.get("/experiments/checkout.html")
            for got in (index, page):
                policy = got.headers["content-security-policy"]
                assert (got.status_code, "default-src 'none'" in policy) == (200, True)
                assert "sandbox allow-popups allow-downloads" in policy
                assert "script-src" not in policy
            assert 'href="checkout.html"' in index.text
            assert "Ship one_page" in page.text
            [listed] = client.get("/api/v1/experiments").json()["experiments"]
            assert (listed["verdict"], listed["winner"], listed["standing"]) == (
                "ship",
                "one_page",
                "waits for a decision",
            )
            assert [look["verdict"] for look in listed["history"]] == ["keep running", "ship"]
            assert client.get(listed["page"]).text == page.text
            readout = client.get(listed["readout"]).json()
            assert (readout["version"], readout["verdict"]) == (1, "ship")


def test_what_the_api_does_not_have_is_told_what_it_has(front: InFront) -> None:
    got = front.program(Role.VIEWER).get("/api/v2/experiments")
    assert (got.status_code, got.json()["error"][:28]) == (404, "There is /api/v1/experiments")


@pytest.mark.parametrize(
    "path",
    [
        "/experiments/nothing.html",
        "/experiments/checkout",
        "/experiments/checkout.json",
        "/experiments/..%2faccounts.json",
        "/experiments/%2e%2e/accounts.html",
        "/experiments/..%2f..%2fhome%2faccounts.html",
        "/experiments/%2fetc%2fpasswd.html",
        "/api/v1/experiments/index/readout",
        "/api/v1/experiments/..%2f..%2fhome%2faccounts/readout",
        "/api/v1/experiments/nothing/readout",
    ],
)
def test_no_other_file_is_served(front: InFront, path: str, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir(exist_ok=True)
    got = front.program(Role.ADMIN).get(path)
    assert got.status_code in (404, 503), got.text
    assert "argon2" not in got.text


def test_the_page_of_an_experiment_with_an_odd_name_is_found(front: InFront) -> None:
    from dataclasses import replace

    odd = "50% off? & more"
    report = simulated({"control": 0.0, "one_page": 0.3})
    named = replace(report, experiment=replace(report.experiment, experiment_id=odd))
    write_programme(entries_of(Registry((), METRICS), [named], {}), open_store(front.settings.pages_location))
    client = front.program(Role.VIEWER)
    assert page_url("http://x/", odd) == "http://x/experiments/50%25%20off%3F%20%26%20more.html"
    [listed] = client.get("/api/v1/experiments").json()["experiments"]
    assert client.get(listed["page"]).status_code == 200
    assert client.get(listed["readout"]).status_code == 200


def test_documentation_is_written_when_the_manifest_changes(front: InFront, tmp_path: Path) -> None:
    manifest, store = tmp_path / "manifest.json", open_store(front.settings.pages_location)
    manifest.write_text(json.dumps({"metadata": {"note": "</script><b>"}}))
    assert write_documentation(manifest, store)
    assert not write_documentation(manifest, store)
    got = front.logged_in(Role.VIEWER).get("/docs/")
    assert got.status_code == 200
    assert "</script><b>" not in got.text
    assert "sandbox allow-scripts" in got.headers["content-security-policy"]
    assert "connect-src" not in got.headers["content-security-policy"]
    manifest.write_text("{}")
    assert write_documentation(manifest, store)
    assert store.exists(PAGE)


def test_pages_that_cannot_be_read_are_a_sentence(tmp_path: Path, s3: str) -> None:
    with empty_door(tmp_path / "home", reports_location="s3://nobody-made-this-bucket/x") as front:
        got = front.program(Role.VIEWER).get("/experiments/")
        assert (got.status_code, got.json()) == (503, {"error": "The pages cannot be read: the door's log says why"})
