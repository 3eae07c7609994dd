"""Every path, method, role and way in: nothing happens that should not, counted in the database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from dagster import DagsterRunStatus
from httpx2 import Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from ab_pipeline.door.guard import OPEN_PATHS
from ab_pipeline.door.roles import HARMLESS_MUTATIONS, Role, least_role
from ab_pipeline_tests.door.doors import LOCATION, InFront
from ab_pipeline_tests.door.graphql import JSON, LAUNCH, LAUNCH_WITHOUT_VARIABLES, answer, ask, mutations

pytestmark = pytest.mark.slow

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HEALTH = ("/healthz", "/readyz")
ODD_PATHS = (
    "//graphql",
    "/graphql/",
    "/%67raphql",
    "/login/../graphql",
    "/login/x",
    "/LOGIN",
    "/healthz/x",
    "/;/graphql",
)
FORM = "application/x-www-form-urlencoded"
HTML = {"Accept": "text/html"}
RELOAD = "mutation { reloadWorkspace { __typename } }"


def paths(front: InFront) -> list[str]:
    """Every route's, its parameters filled in, and some that are none."""
    found = []
    for route in front.app.routes:
        if isinstance(route, Route):
            path = route.path.replace("{path:path}", "x").replace("{asset_key:path}", "guest")
            found.append(path.replace("{run_id:str}", "nothing").replace("{name:path}", "index.html"))
        elif isinstance(route, Mount):
            found.append(f"{route.path}/x")
    return sorted({*found, *HEALTH, *ODD_PATHS})


def ways(front: InFront, role: Role) -> dict[str, TestClient]:
    return {"cookie": front.logged_in(role), "token": front.program(role)}


@pytest.fixture(params=["viewer cookie", "viewer token", "launcher cookie", "launcher token"])
def weak(front: InFront, request: pytest.FixtureRequest) -> TestClient:
    role, way = request.param.split()
    return ways(front, Role(role))[way]


@pytest.fixture(params=["cookie", "token"])
def viewer(front: InFront, request: pytest.FixtureRequest) -> TestClient:
    return ways(front, Role.VIEWER)[request.param]


@pytest.fixture
def unchanged(front: InFront) -> Iterator[None]:
    before = front.stored()
    yield
    assert front.stored() == before


def socket_of(client: TestClient) -> WebSocketTestSession:
    return client.websocket_connect("ws://127.0.0.1:3000/graphql", ["graphql-ws"])


def strangers(front: InFront) -> dict[str, TestClient]:
    """Those who know nobody's password or token."""
    session = front.logged_in(Role.ADMIN).cookies["ab_pipeline"]
    clients = {}
    for name, header in {
        "nobody": {},
        "forged cookie": {"Cookie": f"ab_pipeline={session[:-4]}AAAA"},
        "unsigned cookie": {"Cookie": f"ab_pipeline={session.partition('.')[0]}"},
        "null cookie": {"Cookie": "ab_pipeline=null"},
        "foreign cookie": {"Cookie": "session=admin; user=admin"},
        "wrong token": {"Authorization": "Bearer abp_wrong"},
        "no token": {"Authorization": "Bearer "},
        "odd token": {"Authorization": "Bearer \u00fcber"},
        "basic": {"Authorization": "Basic YWRtaW46Y29ycmVjdCBob3JzZSBiYXR0ZXJ5"},
        "user header": {"X-Forwarded-User": "admin", "X-Remote-User": "admin", "Remote-User": "admin"},
        "wrong token with a good cookie": {"Authorization": "Bearer x", "Cookie": f"ab_pipeline={session}"},
    }.items():
        clients[name] = front.client()
        clients[name].headers.update({key: value.encode("latin-1") for key, value in header.items()})  # type: ignore[arg-type]
    return clients


@pytest.mark.usefixtures("unchanged")
def test_nobody_gets_further_than_the_login(front: InFront) -> None:
    wrong = []
    for name, client in strangers(front).items():
        for path in paths(front):
            for method in METHODS:
                for accept in ("*/*", "text/html"):
                    got = client.request(method, path, headers={"Accept": accept}, json={"query": "{version}"})
                    is_open = path in HEALTH and method in ("GET", "HEAD", "OPTIONS")
                    expected = {200} if is_open else {200, 303, 400, 405} if path in OPEN_PATHS else {303, 401}
                    if got.status_code not in expected or "version" in got.text:
                        wrong.append((name, method, path, accept, got.status_code, got.text[:80]))
    assert wrong == []


def test_a_stranger_sees_no_websocket(front: InFront) -> None:
    for client in strangers(front).values():
        with pytest.raises(WebSocketDisconnect), socket_of(client):
            pass


@pytest.mark.usefixtures("unchanged")
def test_weak_roles_change_nothing_by_any_path_and_method(front: InFront, weak: TestClient) -> None:
    refused = {}
    for path in paths(front):
        if path in ("/logout", "/login"):
            continue
        for method in METHODS:
            got = weak.request(method, path, json={"query": "{version}"}, headers=HTML)
            assert got.status_code < 500, (method, path, got.text)
            refused[method, path] = got.status_code in (403, 405)
    assert refused["POST", "/report_asset_materialization/guest"]
    assert refused["POST", "/report_asset_check/guest"]
    assert refused["POST", "/report_asset_observation/guest"]
    assert refused["GET", "/download_debug/nothing"]
    assert refused["GET", "/notebook"]
    assert refused["GET", "/dagit/notebook"]


def disguises() -> dict[str, dict[str, object]]:
    """Requests whose mutation somebody may overlook."""
    launch, query = LAUNCH_WITHOUT_VARIABLES, {"query": LAUNCH_WITHOUT_VARIABLES}
    body = json.dumps(query)
    both = f"query Reads {{ version }} {launch.replace('mutation', 'mutation Writes')}"
    fragment = launch.replace("launchRun(", "...F } fragment F on Mutation { launchRun(", 1)
    inner = launch.strip().removeprefix("mutation").strip()[1:-1]
    multiple = f"launchMultipleRuns(executionParamsList: [{inner[inner.index('{') : inner.rindex(')')]}])"
    return {
        "as it is": {"json": query},
        "by GET": {"method": "GET", "params": query},
        "by GET for a browser": {"method": "GET", "params": query, "headers": HTML},
        "by HEAD": {"method": "HEAD", "params": query},
        "by PUT": {"method": "PUT", "json": query},
        "with the method overridden": {"method": "GET", "params": query, "headers": {"X-HTTP-Method-Override": "POST"}},
        "in the query string, with no body": {"params": query},
        "in the query string, with a decoy": {"params": query, "json": {"query": "{version}"}},
        "in the query string, as text": {"params": query, "content": "x", "headers": {"Content-Type": "text/plain"}},
        "as a form": {"data": query},
        "as a multipart form": {"files": {"query": (None, launch)}},
        "as text": {"content": body, "headers": {"Content-Type": "text/plain"}},
        "as text that names JSON": {"content": body, "headers": {"Content-Type": f"text/plain;{JSON}"}},
        "as a form that names JSON": {"content": body, "headers": {"Content-Type": f"{FORM}; x={JSON}"}},
        "as multipart that names JSON": {"content": body, "headers": {"Content-Type": f"multipart/form-data; {JSON}"}},
        "as GraphQL": {"content": launch, "headers": {"Content-Type": "application/graphql"}},
        "as nothing": {"content": body, "headers": {"Content-Type": ""}},
        "as a batch": {"json": [query, query]},
        "of two operations": {"json": {"query": both, "operationName": "Writes"}},
        "of two operations, none named": {"json": {"query": both}},
        "named query": {"json": {"query": launch.replace("mutation", "mutation query")}},
        "after a comment": {"json": {"query": f"# query {{ version }}\n{launch}"}},
        "with a mark before it": {"json": {"query": f"\ufeff{launch}"}},
        "under another name": {"json": {"query": launch.replace("launchRun(", "logTelemetry: launchRun(")}},
        "under the name of a query": {"json": {"query": launch.replace("launchRun(", "version: launchRun(")}},
        "in a fragment": {"json": {"query": fragment}},
        "twice": {"json": {"query": f"mutation {{ a: {inner} b: {inner} }}"}},
        "with a directive": {"json": {"query": launch.replace(") {", ") @include(if: true) {", 1)}},
        "many at once": {"json": {"query": f"mutation {{ {multiple} {{ __typename }} }}"}},
        "with a charset": {"content": body.encode("utf-16"), "headers": {"Content-Type": f"{JSON}; charset=utf-16"}},
        "with variables as a string": {"json": {**query, "variables": "{}"}},
    }


def send(client: TestClient, disguise: dict[str, object]) -> Response:
    given = {"method": "POST", **disguise}
    return client.request(url="/graphql", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("disguise", disguises())
@pytest.mark.usefixtures("unchanged")
def test_a_viewer_launches_nothing_in_no_disguise(viewer: TestClient, disguise: str) -> None:
    got = send(viewer, disguises()[disguise])
    assert got.status_code in (200, 400, 405, 415), got.text
    assert "LaunchRunSuccess" not in got.text
    assert "Traceback" not in got.text


def test_the_disguises_are_launches(front: InFront) -> None:
    """Otherwise the test above could not fail: most of those that are JSON launch something for a launcher."""
    launcher = front.program(Role.LAUNCHER)
    before = front.instance.get_runs_count()
    launched = [name for name, one in disguises().items() if "LaunchRunSuccess" in send(launcher, one).text]
    assert len(launched) >= 10, launched
    assert front.instance.get_runs_count() >= before + len(launched)


@pytest.mark.usefixtures("unchanged")
def test_a_websocket_carries_no_mutation(front: InFront) -> None:
    for role in Role:
        with socket_of(front.logged_in(role)) as socket:
            socket.send_json({"type": "connection_init"})
            assert socket.receive_json() == {"type": "connection_ack"}
            for number, document in enumerate([LAUNCH_WITHOUT_VARIABLES, *mutations().values(), "{version}"]):
                socket.send_json({"type": "start", "id": str(number), "payload": {"query": document}})
                assert socket.receive_json()["type"] == "error", document


def test_a_websocket_carries_subscriptions(front: InFront) -> None:
    with socket_of(front.logged_in(Role.VIEWER)) as socket:
        socket.send_json({"type": "connection_init"})
        assert socket.receive_json() == {"type": "connection_ack"}
        query = 'subscription { capturedLogs(logKey: ["x"]) { stdout } }'
        socket.send_json({"type": "start", "id": "1", "payload": {"query": query}})
        assert socket.receive_json()["type"] == "data"


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"type": "start"}', '{"type": "start", "id": "1", "payload": 7}'])
def test_what_is_no_message_ends_a_websocket(front: InFront, text: str) -> None:
    with socket_of(front.logged_in(Role.VIEWER)) as socket:
        socket.send_text(text)
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_json()
    assert ended.value.code == 1008


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("way", ["cookie", "token"])
def test_of_all_mutations_each_role_sends_its_own_and_no_other(front: InFront, role: Role, way: str) -> None:
    client, refused = ways(front, role)[way], set()
    for name, document in mutations().items():
        if "Your role is" in ask(client, document).text:
            refused.add(name)
    assert refused == {
        name for name in mutations() if name not in HARMLESS_MUTATIONS and not role.may(least_role(name))
    }


@pytest.mark.parametrize("role", [Role.VIEWER, Role.LAUNCHER])
@pytest.mark.usefixtures("unchanged")
def test_all_mutations_of_weak_roles_change_nothing(front: InFront, role: Role) -> None:
    for client in ways(front, role).values():
        for document in mutations().values():
            ask(client, document)


def test_a_mutation_that_a_later_dagster_adds_is_closed_to_viewers(front: InFront) -> None:
    from ab_pipeline.door.audit import Audit
    from ab_pipeline.door.database import DoorDatabase
    from ab_pipeline.door.mutations import lock

    graphene = pytest.importorskip("graphene")
    done = []

    class Mutation(graphene.ObjectType):
        destroy_everything = graphene.String()

        def resolve_destroy_everything(self, _info: object) -> str:
            done.append(True)
            return "done"

    class Query(graphene.ObjectType):
        version = graphene.String()

    schema = lock(graphene.Schema(Query, Mutation), Audit(DoorDatabase.beside(front.home)))

    class Context:
        source: object

    from starlette.requests import Request

    from ab_pipeline.door.identity import Visitor

    for role, may in ((Role.VIEWER, False), (Role.LAUNCHER, False), (Role.EDITOR, True)):
        context = Context()
        context.source = Request({"type": "http", "method": "POST", "headers": [], "user": Visitor("x", role, "token")})
        result = schema.execute("mutation { destroyEverything }", context_value=context)
        assert bool(result.data and result.data["destroyEverything"]) is may
    assert done == [True]


def launched_by(front: InFront, client: TestClient, **variables: object) -> str:
    data = answer(client, LAUNCH, **variables)["launchRun"]
    assert data["__typename"] == "LaunchRunSuccess", data
    run = front.instance.get_run_by_id(data["run"]["runId"])
    assert run
    assert run.status == DagsterRunStatus.QUEUED
    return run.tags["user"]


@pytest.mark.parametrize("tags", [[], [{"key": "user", "value": "admin"}]])
def test_a_run_says_who_launched_it_whatever_its_client_says(front: InFront, tags: list[dict[str, str]]) -> None:
    assert launched_by(front, front.logged_in(Role.LAUNCHER), tags=tags) == "launcher"
    assert launched_by(front, front.program(Role.EDITOR), tags=tags) == "editor-ci"


def test_a_run_that_is_launched_again_says_who_did(front: InFront) -> None:
    run = answer(front.program(Role.ADMIN), LAUNCH)["launchRun"]["run"]["runId"]
    front.instance.report_run_canceled(front.instance.get_run_by_id(run))  # type: ignore[arg-type]
    again = answer(
        front.logged_in(Role.LAUNCHER),
        """mutation($id: String!) { launchRunReexecution(reexecutionParams: {parentRunId: $id, strategy: ALL_STEPS,
        extraTags: [{key: "user", value: "admin"}]}) {
          __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message stack } } }""",
        id=run,
    )["launchRunReexecution"]
    found = front.instance.get_run_by_id(again["run"]["runId"])
    assert found
    assert found.tags["user"] == "launcher"


@pytest.mark.filterwarnings("ignore:Function .AssetSelection.sources.:DeprecationWarning")
def test_a_backfill_says_who_launched_it(front: InFront) -> None:
    front.instance.add_dynamic_partitions("guests", ["ann"])
    data = answer(
        front.program(Role.LAUNCHER),
        """mutation { launchPartitionBackfill(backfillParams: {assetSelection: [{path: ["guest"]}],
        partitionNames: ["ann"], tags: [{key: "user", value: "admin"}]}) {
          __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
    )["launchPartitionBackfill"]
    backfill = front.instance.get_backfill(data["backfillId"])
    assert backfill
    assert backfill.tags["user"] == "launcher-ci"
    assert front.deeds()[-1].result == f"LaunchBackfillSuccess {data['backfillId']}"


def test_an_editor_switches_a_schedule_and_an_admin_deletes_a_run(front: InFront) -> None:
    start = """mutation($at: String!) { startSchedule(scheduleSelector: {repositoryLocationName: $at,
      repositoryName: "__repository__", scheduleName: "yearly"}) { __typename } }"""
    editor = front.logged_in(Role.EDITOR)
    assert answer(editor, start, at=LOCATION)["startSchedule"]["__typename"] == "ScheduleStateResult"
    run = answer(front.program(Role.LAUNCHER), LAUNCH)["launchRun"]["run"]["runId"]
    delete = f'mutation {{ deleteRun(runId: "{run}") {{ __typename }} }}'
    assert "this takes the role admin" in ask(front.logged_in(Role.EDITOR), delete).text
    assert front.instance.get_run_by_id(run)
    assert answer(front.logged_in(Role.ADMIN), delete)["deleteRun"]["__typename"] == "DeletePipelineRunSuccess"
    assert front.instance.get_run_by_id(run) is None


@pytest.mark.parametrize("kind", ["materialization", "observation"])
def test_an_editor_reports_events_which_say_who_did(front: InFront, kind: str) -> None:
    got = front.program(Role.EDITOR).post(f"/report_asset_{kind}/guest", json={"description": "by hand"})
    assert got.status_code == 200, got.text
    deed = front.deeds()[-1]
    assert (deed.user, deed.action, deed.about, deed.result) == ("editor-ci", f"report_asset_{kind}", "guest", "done")
    if kind == "materialization":
        from dagster import AssetKey

        event = front.instance.get_latest_materialization_event(AssetKey("guest"))
        assert event
        assert event.asset_materialization
        assert event.asset_materialization.tags == {"dagster/reporting_user": "editor-ci"}


@pytest.mark.parametrize("content", ["{", "[]", "7", ""])
def test_a_report_that_is_no_json_object_is_a_sentence(front: InFront, content: str) -> None:
    got = front.program(Role.EDITOR).post(
        "/report_asset_materialization/guest", content=content, headers={"Content-Type": JSON}
    )
    assert (got.status_code, got.json()) == (400, {"error": "The body is no JSON object"})


def test_the_permissions_that_the_pages_ask_for_are_the_roles(front: InFront) -> None:
    query = "{ permissions { permission value disabledReason } }"
    for role in Role:
        found = answer(front.logged_in(role), query)["permissions"]
        by_name = {one["permission"]: one for one in found}
        assert by_name["launch_pipeline_execution"]["value"] is role.may(Role.LAUNCHER)
        assert by_name["edit_sensor"]["value"] is role.may(Role.EDITOR)
        assert by_name["wipe_assets"]["value"] is role.may(Role.ADMIN)
        if role == Role.VIEWER:
            assert {one["disabledReason"] for one in found if not one["value"]} == {
                f"Your role is viewer: this takes the role {other}" for other in Role if other != Role.VIEWER
            }


@pytest.mark.parametrize(("role", "sees"), [(Role.VIEWER, False), (Role.LAUNCHER, False), (Role.EDITOR, True)])
def test_dagster_yaml_is_an_editors_to_see(front: InFront, role: Role, sees: bool) -> None:
    info = answer(front.program(role), "{ instance { info } }")["instance"]["info"]
    assert bool(info and "run_coordinator" in info) is sees


BODIES = {
    "no JSON": "{",
    "no object": "7",
    "no query": "{}",
    "a query that is none": '{"query": 7}',
    "variables that are none": '{"query": "{version}", "variables": 7}',
    "variables that are none, as a string": '{"query": "{version}", "variables": "7"}',
    "an operation that is none": '{"query": "{version}", "operationName": {}}',
    "an operation that is not there": '{"query": "{version}", "operationName": "x"}',
    "nothing": "",
    "no UTF-8": b"\xff\xfe",
    "deep": "[" * 100_000,
    "a syntax error": '{"query": "{{{"}',
    "a field that is not there": '{"query": "{x}"}',
}


@pytest.mark.parametrize("body", BODIES)
def test_what_is_no_question_is_a_sentence(front: InFront, body: str) -> None:
    got = front.program(Role.VIEWER).post("/graphql", content=BODIES[body], headers={"Content-Type": JSON})
    assert got.status_code == 400, got.text
    assert "Traceback" not in got.text


def test_queries_are_answered_to_every_role(front: InFront) -> None:
    for role in Role:
        for client in ways(front, role).values():
            assert answer(client, "{ version }")["version"]
            with suppress(KeyError):
                assert client.get("/runs", headers=HTML).status_code == 200


@pytest.mark.parametrize(
    "path", ["/logs/../../accounts.out", "/logs/%2e%2e/%2e%2e/door.err", "/logs/x/y.out", "/logs/..%2f..%2fx.out"]
)
def test_logs_lead_to_no_other_file(front: InFront, path: str) -> None:
    got = front.logged_in(Role.ADMIN).get(path)
    assert got.status_code in (200, 404)
    assert "argon2" not in got.text
