"""One SQL statement, read by sqlglot: its tokens, and its tree where sqlglot knows the grammar."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token

_QUOTES = {TokenType.STRING: "'", TokenType.IDENTIFIER: '"'}


@dataclass(frozen=True)
class Statement:
    """What matchers and translations look at."""

    sql: str
    tokens: tuple[Token, ...]

    @classmethod
    def parse(cls, sql: str) -> Statement:
        tokens = _tokenize(sql)
        if tokens and tokens[0].token_type == TokenType.COMMAND:
            # sqlglot takes all that follows for one text
            tokens = [tokens[0], *_tokenize(" " * (tokens[0].end + 1) + sql[tokens[0].end + 1 :])]
        return cls(sql, tuple(token for token in tokens if token.text != ";"))

    @cached_property
    def tree(self) -> exp.Expr | None:
        """None where sqlglot does not know the grammar."""
        try:
            with _silent():
                trees = sqlglot.parse(_without_dollars(self.sql), read="redshift")
        except SqlglotError:
            return None
        [*_, tree] = trees or [None]
        return None if isinstance(tree, exp.Command) else tree

    @cached_property
    def words(self) -> list[str]:
        return words(self.tokens)

    @cached_property
    def text(self) -> str:
        """Its words with single blanks between and around them: what to look for phrases in."""
        return f" {' '.join(self.words)} "

    def has(self, word: str) -> bool:
        return word in self.words

    def ends_with(self, text: str) -> bool:
        return self.words[-len(text.split()) :] == text.split()

    @cached_property
    def defines_a_table(self) -> bool:
        return self.words[:1] == ["CREATE"] and "TABLE" in self.words[:4]

    @cached_property
    def is_create_table_as(self) -> bool:
        return self.defines_a_table and self.definition != self.tokens

    @cached_property
    def definition(self) -> Sequence[Token]:
        """The tokens of a CREATE TABLE before its query."""
        depth = 0
        for number, token in enumerate(self.tokens):
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth == 0 and token.text.upper() == "AS":
                return self.tokens[:number]
        return self.tokens

    @cached_property
    def column_types(self) -> set[Token]:
        """The tokens that may be types of columns that the statement defines."""
        if self.defines_a_table:
            return set(self.definition)
        return set(self.tokens) if self.words[:2] == ["ALTER", "TABLE"] and "ADD" in self.words else set()


def words(tokens: Sequence[Token]) -> list[str]:
    """The tokens' texts in upper case; of what stands between quotes, the quote."""
    return [_QUOTES.get(token.token_type, token.text.upper()) for token in tokens]


def closing(tokens: Sequence[Token]) -> int:
    """How many tokens a parenthesis that opens at the first of them takes."""
    depth = 0
    for number, token in enumerate(tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            return number + 1
    return len(tokens)


def _tokenize(sql: str) -> list[Token]:
    return sqlglot.tokenize(_without_dollars(sql), read="redshift")


def _without_dollars(sql: str) -> str:
    """sqlglot takes the `$` of `$1,$` for the start of a quotation."""
    return re.sub(r"\$(?=\d)", "_", sql)


@contextmanager
def _silent() -> Iterator[None]:
    """sqlglot warns where it falls back; that is no news here."""
    logger = logging.getLogger("sqlglot")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
