"""GraphQL as clients send it, and every mutation of the schema with arguments that fit."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from dagster_graphql.schema import create_schema
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    get_named_type,
)
from httpx2 import Response
from starlette.testclient import TestClient

from ab_pipeline_tests.door.doors import LOCATION, REPOSITORY

JSON = "application/json"
LAUNCH = """
mutation Launch($tags: [ExecutionTag!]) {
  launchRun(executionParams: {
    mode: "default",
    selector: {repositoryLocationName: "%s", repositoryName: "%s", jobName: "greeting"},
    executionMetadata: {tags: $tags}
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
""" % (LOCATION, REPOSITORY)  # noqa: UP031 GraphQL is full of braces
LAUNCH_WITHOUT_VARIABLES = LAUNCH.replace("Launch($tags: [ExecutionTag!])", "").replace("$tags", "[]")


def ask(client: TestClient, query: str, **variables: Any) -> Response:
    return client.post("/graphql", json={"query": query, "variables": variables})


def answer(client: TestClient, query: str, **variables: Any) -> dict[str, Any]:
    response = ask(client, query, **variables)
    assert response.status_code == 200, response.text
    assert "errors" not in response.json(), response.text
    return response.json()["data"]


@cache
def mutations() -> dict[str, str]:
    """Each mutation by its name, as a document that is valid and names nothing that exists."""
    mutation = create_schema().graphql_schema.mutation_type
    assert mutation
    return {
        name: f"mutation {{ {name}{_arguments(field)} {_selection(field)} }}" for name, field in mutation.fields.items()
    }


def _selection(field: GraphQLField) -> str:
    return "" if isinstance(get_named_type(field.type), GraphQLScalarType | GraphQLEnumType) else "{ __typename }"


def _arguments(field: GraphQLField) -> str:
    given = [f"{name}: {_value(argument.type)}" for name, argument in field.args.items() if _is_needed(argument.type)]
    return f"({', '.join(given)})" if given else ""


def _is_needed(kind: GraphQLInputType) -> bool:
    return isinstance(kind, GraphQLNonNull)


def _value(kind: Any) -> str:
    if isinstance(kind, GraphQLNonNull):
        return _value(kind.of_type)
    if isinstance(kind, GraphQLList):
        return f"[{_value(kind.of_type)}]"
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    if isinstance(kind, GraphQLInputObjectType):
        fields = [f"{name}: {_value(field.type)}" for name, field in kind.fields.items() if _is_needed(field.type)]
        return f"{{{', '.join(fields)}}}"
    return {"Int": "1", "Float": "1.0", "Boolean": "true"}.get(kind.name, json.dumps("nothing"))
