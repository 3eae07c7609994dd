"""Redshift's SQL as PostgreSQL's: what PostgreSQL has no word for is cut out or rewritten, the rest stays as it is.

Functions and system views that PostgreSQL lacks are in catalog.sql instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlglot import TokenType, tokenize
from sqlglot.tokenizer_core import Token


@dataclass(frozen=True)
class Edit:
    """The text [start, end) of a statement, replaced."""

    start: int
    end: int
    text: str = ""


def translate(sql: str) -> str:
    """A statement as PostgreSQL takes it."""
    # sqlglot takes `$1,$` for the start of a quotation
    tokens = tokenize(re.sub(r"\$(?=\d)", "_", sql), read="redshift")
    edits = sorted((edit for rule in _RULES for edit in rule(tokens)), key=lambda edit: edit.start, reverse=True)
    for edit in edits:
        sql = sql[: edit.start] + edit.text + sql[edit.end :]
    for whole in _WHOLE_STATEMENTS:
        sql = whole(sql)
    return sql


def words(tokens: Sequence[Token], number: int) -> list[str]:
    """The first words of a statement, in upper case."""
    return [token.text.upper() for token in tokens[:number]]


def _quoted_names_are_folded(tokens: Sequence[Token]) -> Iterator[Edit]:
    """enable_case_sensitive_identifier is off: quotes do not keep the case."""
    for token in tokens:
        if token.token_type == TokenType.IDENTIFIER and token.text != token.text.lower():
            yield Edit(token.start, token.end + 1, '"' + token.text.lower().replace('"', '""') + '"')


def _table_attributes_are_cut(tokens: Sequence[Token]) -> Iterator[Edit]:
    """How a table is distributed, sorted, encoded and backed up."""
    if "CREATE" not in words(tokens, 1) or "TABLE" not in words(tokens, 6):
        return
    number = 0
    while number < len(tokens):
        length = _length_of_attribute(tokens[number : number + 4])
        if not length:
            number += 1
            continue
        if (
            number + length < len(tokens)
            and tokens[number + length].text == "("
            and "STYLE" not in words(tokens[number : number + 1], 1)[0]
        ):
            length += _length_of_parentheses(tokens[number + length :])
        yield Edit(tokens[number].start, tokens[number + length - 1].end + 1)
        number += length


def _length_of_attribute(tokens: Sequence[Token]) -> int:
    match words(tokens, 4):
        case ["BACKUP", "YES" | "NO", *_] | ["DISTSTYLE", _, *_] | ["ENCODE", _, *_]:
            return 2
        case ["COMPOUND" | "INTERLEAVED", "SORTKEY", *_]:
            return 2
        case ["SORTKEY", "AUTO", *_]:
            return 2
        case ["DISTKEY" | "SORTKEY", *_]:
            return 1
    return 0


def _length_of_parentheses(tokens: Sequence[Token]) -> int:
    depth = 0
    for number, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return number + 1
    return len(tokens)


def _no_schema_binding(sql: str) -> str:
    head, found, tail = _rpartition(sql, "with no schema binding")
    return head + tail if found else sql


def _rpartition(sql: str, words_: str) -> tuple[str, bool, str]:
    position = sql.lower().rfind(words_)
    if position < 0:
        return sql, False, ""
    return sql[:position], True, sql[position + len(words_) :]


_RULES: tuple[Callable[[Sequence[Token]], Iterator[Edit]], ...] = (_quoted_names_are_folded, _table_attributes_are_cut)
_WHOLE_STATEMENTS: tuple[Callable[[str], str], ...] = (_no_schema_binding,)
