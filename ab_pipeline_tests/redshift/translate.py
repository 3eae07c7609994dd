"""Redshift's SQL as PostgreSQL's: what PostgreSQL has no word for is rewritten, the rest stays as it was sent.

sqlglot's tokens say where words are. Its generator is used for QUALIFY only: it would rewrite every statement, and
change the meaning of some. Functions and system views that PostgreSQL lacks are in catalog.sql.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlglot import TokenType, exp
from sqlglot.tokenizer_core import Token
from sqlglot.transforms import eliminate_qualify

from ab_pipeline_tests.redshift.statement import Statement, closing, words

_POSTGRES_NAME = 63


@dataclass(frozen=True)
class Edit:
    """The text [start, end) of a statement, replaced."""

    start: int
    end: int
    text: str = ""


def translate(statement: Statement) -> str:
    """A statement as PostgreSQL takes it."""
    if statement.has("QUALIFY") and statement.tree:
        return translate(Statement.parse(_without_qualify(statement.tree)))
    edits = [edit for rule in _RULES for edit in rule(statement)]
    sql = statement.sql
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end), reverse=True):
        sql = sql[: edit.start] + edit.text + sql[edit.end :]
    return _late_binding(sql) if statement.ends_with("WITH NO SCHEMA BINDING") else sql


def _without_qualify(tree: exp.Expr) -> str:
    return tree.transform(lambda node: eliminate_qualify(node) if isinstance(node, exp.Select) else node).sql(
        "redshift"
    )


def _names_are_folded(statement: Statement) -> Iterator[Edit]:
    """enable_case_sensitive_identifier is off: quotes do not keep the case.

    PostgreSQL keeps 63 bytes of a name, Redshift 127: what is longer is made shorter, wherever it is named.
    """
    is_of_catalogue = "information_schema" in statement.sql.lower() or "pg_" in statement.sql.lower()
    for token in statement.tokens:
        name = _short(token.text.lower())
        if token.token_type == TokenType.IDENTIFIER and token.text != name:
            yield Edit(token.start, token.end + 1, '"' + name.replace('"', '""') + '"')
        elif len(token.text.encode()) > _POSTGRES_NAME and (
            token.token_type == TokenType.VAR
            or (is_of_catalogue and token.token_type == TokenType.STRING and token.text.isidentifier())
        ):
            yield Edit(token.start, token.end + 1, f"'{name}'" if token.token_type == TokenType.STRING else name)


def _short(name: str) -> str:
    if len(name.encode()) <= _POSTGRES_NAME:
        return name
    return (
        f"{name.encode()[:30].decode(errors='ignore')}_{hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()}"
    )


def _table_attributes_become_comments(statement: Statement) -> Iterator[Edit]:
    """How a table is distributed, sorted, encoded and backed up; svv_table_info reads the comments."""
    if not statement.defines_a_table:
        return
    tokens, number = statement.definition, 0
    while number < len(tokens):
        length = _length_of_attribute(tokens[number:])
        if length:
            yield Edit(tokens[number].start, tokens[number].start, "/*")
            yield Edit(tokens[number + length - 1].end + 1, tokens[number + length - 1].end + 1, "*/")
        number += length or 1


def _length_of_attribute(tokens: Sequence[Token]) -> int:
    match words(tokens[:3]):
        case ["BACKUP", "YES" | "NO", *_] | ["DISTSTYLE" | "ENCODE", _, *_] | ["SORTKEY", "AUTO", *_]:
            return 2
        case ["COMPOUND" | "INTERLEAVED", "SORTKEY", "("]:
            return 2 + closing(tokens[2:])
        case ["DISTKEY" | "SORTKEY" | "IDENTITY", "(", *_]:
            return 1 + closing(tokens[1:])
        case ["DISTKEY" | "SORTKEY", *_]:
            return 1
    return 0


def _types_have_their_default_length(statement: Statement) -> Iterator[Edit]:
    """In a column's definition VARCHAR and TEXT are VARCHAR(256); DECIMAL is DECIMAL(18, 0) everywhere."""
    tokens = statement.tokens
    for before, token, after in zip(tokens, tokens[1:], [*tokens[2:], None], strict=False):
        if after is not None and after.text == "(":
            continue
        if token.token_type == TokenType.DECIMAL and (before.text == "::" or before.text.upper() == "AS"):
            yield Edit(token.end + 1, token.end + 1, "(18, 0)")
        elif token.token_type in (TokenType.VARCHAR, TokenType.TEXT) and token in statement.column_types:
            yield Edit(token.start, token.end + 1, "varchar(256)")
        elif token.token_type == TokenType.DECIMAL and token in statement.column_types:
            yield Edit(token.end + 1, token.end + 1, "(18, 0)")


def _words_of_functions(statement: Statement) -> Iterator[Edit]:
    tokens = statement.tokens
    for number, token in enumerate(tokens):
        match words(tokens[number : number + 3]):
            case ["DATEADD" | "DATEDIFF" | "DATE_DIFF" | "DATE_PART", "(", _]:
                part = tokens[number + 2]
                if part.token_type != TokenType.STRING:
                    yield Edit(part.start, part.end + 1, f"'{part.text.lower()}'")
            case ["NVL", "(", *_]:
                yield Edit(token.start, token.end + 1, "coalesce")
            case ["SYSDATE", *_]:
                yield Edit(token.start, token.end + 1, "redshift.sysdate()")
            case ["APPROXIMATE", _, *_]:
                yield Edit(token.start, token.end + 1)
            case ["LISTAGG", "(", *_]:
                yield from _order_of_listagg(tokens[number + 1 :])


def _order_of_listagg(tokens: Sequence[Token]) -> Iterator[Edit]:
    """LISTAGG(x, ',') WITHIN GROUP (ORDER BY y) is written LISTAGG(x, ',' ORDER BY y)."""
    end = closing(tokens)
    within = tokens[end : end + 3]
    if words(within) != ["WITHIN", "GROUP", "("]:
        return
    order = tokens[end + 3 : end + 2 + closing(tokens[end + 2 :]) - 1]
    text = " ".join(f"'{token.text}'" if token.token_type == TokenType.STRING else token.text for token in order)
    yield Edit(tokens[end - 1].start, tokens[end - 1].start, f" {text}")
    yield Edit(within[0].start, tokens[end + 2 + closing(tokens[end + 2 :]) - 1].end + 1)


def _commands(statement: Statement) -> Iterator[Edit]:
    """Commands that PostgreSQL has under the same name with other options."""
    tokens = statement.tokens
    match words(tokens[:3]):
        case ["VACUUM", *_]:
            options = {"FULL", "SORT", "DELETE", "ONLY", "REINDEX", "RECLUSTER", "TO", "PERCENT", "BOOST"}
            for token in tokens[1:]:
                if token.text.upper() in options or token.token_type == TokenType.NUMBER:
                    yield Edit(token.start, token.end + 1)
        case ["ANALYZE", *_]:
            for token in tokens[1:]:
                if token.text.upper() in {"PREDICATE", "ALL", "COLUMNS"}:
                    yield Edit(token.start, token.end + 1)
        case ["SET", "QUERY_GROUP", *_] | ["RESET", "QUERY_GROUP", *_] | ["SHOW", "QUERY_GROUP", *_]:
            yield Edit(tokens[1].start, tokens[1].end + 1, "redshift.query_group")
        case ["SET", "SEARCH_PATH", _]:
            yield Edit(tokens[-1].end + 1, tokens[-1].end + 1, ", redshift, pg_catalog")
        case ["GRANT" | "REVOKE", *_]:
            for token in tokens:
                if token.text.upper() == "ROLE":
                    yield Edit(token.start, token.end + 1)


def _late_binding(sql: str) -> str:
    """A view whose query is read when the view is."""
    head = sql[: sql.lower().rfind("with no schema binding")]
    statement = Statement.parse(head)
    query = next(token for token in statement.tokens if token.text.upper() == "AS")
    name = head[statement.tokens[_place_of(statement.tokens, "VIEW") + 1].start : query.start].strip()
    body = head[query.end + 1 :].strip()
    return f"do $late$ begin perform redshift.create_late_binding_view($n${name}$n$, $q${body}$q$); end $late$"


def _place_of(tokens: Sequence[Token], word: str) -> int:
    return next(number for number, token in enumerate(tokens) if token.text.upper() == word)


_RULES: tuple[Callable[[Statement], Iterator[Edit]], ...] = (
    _names_are_folded,
    _table_attributes_become_comments,
    _types_have_their_default_length,
    _words_of_functions,
    _commands,
)
