"""Every mutation of Dagster's GraphQL, behind a lock of our own: also one that a later Dagster adds."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from inspect import isawaitable
from typing import Any

from dagster._core.storage.tags import USER_TAG
from graphene import Schema
from graphql import GraphQLError, GraphQLResolveInfo
from graphql.execution import default_field_resolver
from starlette.requests import HTTPConnection

from ab_pipeline.door.audit import Audit, Deed, Written
from ab_pipeline.door.identity import Visitor, address_of, visitor_of
from ab_pipeline.door.roles import HARMLESS_MUTATIONS, least_role, refusal
from ab_pipeline.maintenance.storage import StorageError

_logger = logging.getLogger("ab_pipeline.door")
Resolver = Callable[..., Any]
# long, and it may hold what is secret
_NOT_WRITTEN_DOWN = frozenset({"runConfigData", "serializedMetadata"})


def lock(schema: Schema, audit: Audit) -> Schema:
    """The schema, each mutation's resolver wrapped once: it asks for the role, and writes down what came of it."""
    mutation = schema.graphql_schema.mutation_type
    assert mutation
    for name, field in mutation.fields.items():
        if name not in HARMLESS_MUTATIONS:
            field.resolve = _locked(name, field.resolve or default_field_resolver, audit)
    return schema


def deed_of(visitor: Visitor, connection: HTTPConnection, action: str, about: str = "") -> Deed:
    """What somebody who is let in does."""
    return Deed(visitor.name, str(visitor.role), visitor.way, address_of(connection), action, about)


def _locked(name: str, inner: Resolver, audit: Audit) -> Resolver:
    def resolve(root: object, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        connection: HTTPConnection = info.context.source
        visitor = visitor_of(connection)
        why = _refusal(connection, visitor, name)
        if visitor is None or why:
            if visitor:
                audit.write(_refused(deed_of(visitor, connection, name, _about(arguments)), why or ""))
            raise _error(why or "Log in first", info)
        try:
            written = audit.write(deed_of(visitor, connection, name, _about(arguments)))
        except StorageError as error:
            _logger.error("%s", error)
            raise _error("It could not be written down, so it is not done", info) from None
        _drop_pretence(arguments)
        try:
            result = inner(root, info, **arguments)
        except BaseException as error:
            audit.finish(written, f"failed: {type(error).__name__}")
            raise
        if isawaitable(result):
            return _awaited(result, audit, written)
        audit.finish(written, _outcome(result))
        return result

    return resolve


async def _awaited(result: Awaitable[Any], audit: Audit, written: Written) -> Any:
    try:
        outcome = await result
    except BaseException as error:
        audit.finish(written, f"failed: {type(error).__name__}")
        raise
    audit.finish(written, _outcome(outcome))
    return outcome


def _error(why: str, info: GraphQLResolveInfo) -> GraphQLError:
    # with its path, the answer is 400 and has no traceback
    return GraphQLError(why, nodes=info.field_nodes, path=info.path.as_list())


def _refusal(connection: HTTPConnection, visitor: Visitor | None, name: str) -> str | None:
    if connection.scope["type"] != "http" or connection.scope["method"] != "POST":
        return "What changes something is sent by POST"
    return refusal(visitor.role, least_role(name)) if visitor else None


def _refused(deed: Deed, why: str) -> Deed:
    return replace(deed, result=f"refused: {why}")


def _outcome(result: Any) -> str:
    """The real type of the answer, whatever the client asks of it, and the run that it is about."""
    kind = getattr(getattr(result, "_meta", None), "name", None) or type(result).__name__
    run = getattr(result, "run", None)
    details = [getattr(run, "run_id", None) or getattr(run, "runId", None), getattr(result, "message", None)]
    # Dagster's answers have graphene's descriptors where nothing was given
    details += [getattr(result, name, None) for name in ("run_id", "runId", "backfill_id", "launched_run_ids")]
    return " ".join([kind, *(str(one) for one in details if isinstance(one, str | list) and one)])


def _about(arguments: dict[str, Any]) -> str:
    return json.dumps(_plain(arguments), default=str, ensure_ascii=False) if arguments else ""


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if name not in _NOT_WRITTEN_DOWN}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _drop_pretence(value: Any) -> None:
    """Take out of the arguments the tags that name somebody as the one who launched it."""
    if isinstance(value, dict):
        for one in value.values():
            _drop_pretence(one)
    elif isinstance(value, list):
        # in place: graphene's arguments are dictionaries with attributes, and both have this list
        value[:] = [one for one in value if not (_is_tag(one) and one["key"] == USER_TAG)]
        for one in value:
            _drop_pretence(one)


def _is_tag(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"key", "value"}
