"""A door in this process, in front of a real Dagster with a tiny code location."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dagster import DagsterInstance
from dagster._core.workspace.load_target import EmptyWorkspaceTarget, PythonFileTarget, WorkspaceLoadTarget
from starlette.applications import Starlette
from starlette.testclient import TestClient

from ab_pipeline.door.accounts import AccountsFile
from ab_pipeline.door.audit import Audit, Deed
from ab_pipeline.door.database import DoorDatabase
from ab_pipeline.door.roles import Role
from ab_pipeline.door.serve import opened, parts_of
from ab_pipeline.paths import PROJECT_ROOT
from ab_pipeline.settings import Settings

PASSWORD = "correct horse battery"
URL = "http://127.0.0.1:3000"
LOCATION = "location.py"
REPOSITORY = "__repository__"


@dataclass
class InFront:
    """A door that is open, the accounts of its users, and what stands behind it."""

    app: Starlette
    instance: DagsterInstance
    settings: Settings
    home: Path
    tokens: dict[Role, str]

    def client(self, address: str = "10.0.0.1", base_url: str = URL) -> TestClient:
        """A client without cookies. What the server raises is its answer, as over a socket."""
        return TestClient(
            self.app, base_url, raise_server_exceptions=False, follow_redirects=False, client=(address, 4711)
        )

    def logged_in(self, role: Role, address: str = "10.0.0.1") -> TestClient:
        """A browser of the user who is called like the role."""
        client = self.client(address)
        answer = client.post("/login", data={"name": role, "password": PASSWORD, "next": "/"})
        assert answer.status_code == 303, answer.text
        return client

    def program(self, role: Role) -> TestClient:
        """A program with a token of the role."""
        client = self.client()
        client.headers["Authorization"] = f"Bearer {self.tokens[role]}"
        return client

    def deeds(self) -> list[Deed]:
        """The audit."""
        return list(Audit(DoorDatabase.beside(self.home)).deeds())

    def stored(self) -> dict[str, int]:
        """How many rows there are in each table of Dagster's databases; heartbeats and the like are none of them."""
        counts = {}
        for path in sorted(self.home.rglob("*.db")):
            if path.name == "door.db":
                continue
            with closing(sqlite3.connect(path)) as connection:
                tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
                # Dagster gives its storage an id when the first page is shown
                for table in sorted({*tables} - {"instance_info"}):
                    counts[f"{path.name} {table}"] = connection.execute(f"select count(*) from {table}").fetchone()[0]
        return counts


def door(home: Path, **settings: object) -> AbstractContextManager[InFront]:
    """A door with a user and a token of each role, called like it."""
    here = Path(__file__)
    return _door(home, PythonFileTarget(str(here.with_name("location.py")), None, str(here.parent), LOCATION), settings)


def empty_door(home: Path, **settings: object) -> AbstractContextManager[InFront]:
    """The same without a code location, which takes seconds to start."""
    return _door(home, EmptyWorkspaceTarget(), settings)


@contextmanager
def _door(home: Path, target: WorkspaceLoadTarget, settings: Mapping[str, object]) -> Iterator[InFront]:
    home.mkdir(exist_ok=True)
    waiting = "code_servers:\n  wait_for_local_processes_on_shutdown: true\n"
    (home / "dagster.yaml").write_text((PROJECT_ROOT / "deploy" / "dagster.yaml").read_text() + waiting)
    made = Settings.model_validate(
        {
            "accounts_path": home / "accounts.json",
            "duckdb_path": home / "warehouse.duckdb",
            "reports_location": str(home / "pages"),
            **settings,
        }
    )
    file, tokens = AccountsFile(made.accounts_path), {}
    for role in Role:
        accounts, tokens[role] = file.accounts().with_token(f"{role}-ci", role, dt.datetime.now(dt.UTC), 1)
        file.change(lambda _, accounts=accounts, role=role: accounts.with_user(role, role, PASSWORD))
    with (
        DagsterInstance.from_config(str(home)) as instance,
        opened(instance, target, parts_of(made, home)) as app,
    ):
        yield InFront(app, instance, made, home, tokens)
